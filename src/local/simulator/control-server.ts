import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Fault, ModelBehaviour } from './behaviour';
import { refuseForeignPage, sendError, sendJson } from './faults';
import { keepAliveTimeoutMs, type Simulator } from './simulator';

export interface ControlServer {
  /** Up to and including `/_simulator`. */
  readonly url: string;
  close(): Promise<void>;
}

/** What `connectSimulator` sends: a method of `Simulator` and its arguments. */
export type ControlCommand =
  | { readonly command: 'setBehaviour'; readonly model: string; readonly changes: Partial<ModelBehaviour> }
  | { readonly command: 'queueFaults'; readonly model: string; readonly faults: readonly Fault[] }
  | { readonly command: 'setApiKeys'; readonly apiKeys: readonly string[] | null }
  | { readonly command: 'calls' | 'clearCalls' | 'goDown' | 'comeUp' | 'openConnections' | 'openCalls' };

/**
 * Lets another process control a simulator: `POST /_simulator` with a `ControlCommand`, and `GET /_simulator` for the call
 * log. On a separate port, so that it is reachable while the provider is down and does not count as one of its connections.
 */
export async function startControlServer(simulator: Simulator, port: number): Promise<ControlServer> {
  const server = createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (request, response) => {
    if (refuseForeignPage(request, response)) return;
    answer(simulator, request, response).catch((error: unknown) => {
      sendError(response, { status: 400, message: error instanceof Error ? error.message : String(error) });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/_simulator`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(simulator: Simulator, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url !== '/_simulator') {
    sendError(response, { status: 404, message: `Unknown request: ${request.method} ${request.url}` });
    return;
  }
  const command =
    request.method === 'GET' ? ({ command: 'calls' } as const) : (JSON.parse(await text(request)) as ControlCommand);
  sendJson(response, 200, { result: (await run(simulator, command)) ?? null });
}

async function run(simulator: Simulator, command: ControlCommand): Promise<unknown> {
  switch (command.command) {
    case 'setBehaviour':
      return simulator.setBehaviour(command.model, command.changes);
    case 'queueFaults':
      return simulator.queueFaults(command.model, command.faults);
    case 'setApiKeys':
      return simulator.setApiKeys(command.apiKeys);
    case 'calls':
    case 'clearCalls':
    case 'goDown':
    case 'comeUp':
    case 'openConnections':
    case 'openCalls':
      return simulator[command.command]();
    default:
      throw new Error(`Unknown command: ${JSON.stringify(command)}`);
  }
}
