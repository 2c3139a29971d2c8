import type { IncomingMessage, ServerResponse } from 'node:http';
import { foreignCaller } from '../loopback';
import { sendError } from './faults';

/** Whether it was refused: what a web page from elsewhere sends is no call to a provider, and steers nothing. */
export function refuseForeignPage(request: IncomingMessage, response: ServerResponse): boolean {
  const foreign = foreignCaller(request.headers);
  if (foreign === undefined) return false;
  request.resume();
  sendError(response, {
    status: 403,
    message: `The simulator is for programs of this machine; ${foreign.header} names another place.`,
  });
  return true;
}
