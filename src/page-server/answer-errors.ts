import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { LedgerUnavailableError } from '../contract/ledger';
import { TooManyLookupsError } from '../access/batched-lookups';
import { GatewayError } from '../gateway/gateway-error';
import { PageError } from './page-error';

const nothingNew = 'The ledger does not answer, so nothing new can be shown. It is asked again by itself.';

/** A login, a logout, a command: nobody repeats it but the person who sent it. */
const notDone =
  'The ledger does not answer, so this was not completed. Try again in a few seconds; before you repeat a command, look at ' +
  'the audit trail. If this goes on, the log of this process says why.';

/** Every answer that is an error is a `PageProblem`, whoever found it. */
export function answerErrors(server: FastifyInstance): void {
  server.setErrorHandler((error, request, reply) => {
    const { status, headers, problem } = toPageError(error, request.log, request.method);
    return reply.code(status).headers(headers).send(problem);
  });
}

/** Anything unexpected becomes a 500 without details; they are in the log. */
export function toPageError(error: unknown, log: FastifyBaseLogger, method = 'GET'): PageError {
  if (error instanceof PageError) return error;
  if (error instanceof GatewayError) {
    return new PageError(error.status, error.fields.code, error.message, error.headers);
  }
  if (error instanceof LedgerUnavailableError) {
    log.error({ err: error }, 'the ledger does not answer');
    return new PageError(503, 'ledger_unavailable', method === 'POST' ? notDone : nothingNew, { 'retry-after': '5' });
  }
  if (error instanceof TooManyLookupsError) {
    const message = 'Too many unknown keys and sessions are arriving. Try again in a second.';
    return new PageError(503, 'overloaded', message, { 'retry-after': '1' });
  }
  const status = (error as { readonly statusCode?: number }).statusCode ?? 500;
  if (status < 500)
    return new PageError(status, 'bad_request', `The request cannot be read: ${(error as Error).message}.`);
  log.error({ err: error }, 'unexpected error of the page');
  return new PageError(
    500,
    'internal_error',
    "The page's server failed. Its log says why, under the id in x-request-id.",
  );
}
