import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Fault, ModelBehaviour, SimulatedModels } from './behaviour';
import { CallLog, type SimulatedCall } from './call-log';
import { refuse, serveChatCompletion } from './chat-completions';
import { serveEmbeddings } from './embeddings';
import { refuseForeignPage, sendError, sendJson } from './faults';
import { SimulatedModel } from './simulated-model';

/** Longer than clients keep connections, so that none is closed while a request is being sent. */
export const keepAliveTimeoutMs = 65_000;

export interface SimulatorOptions {
  readonly models: SimulatedModels;
  /** Default: 0, any free port. */
  readonly port?: number;
  /** The same seed gives the same sequence of latencies and random faults. Default: `bellwether`. */
  readonly seed?: string;
  /** The accepted keys; if omitted, every call is accepted. */
  readonly apiKeys?: readonly string[];
  /** File to which the call log is appended as JSON lines; read it with `readCallLog`. */
  readonly logFile?: string;
}

/** A simulated provider, in this process or in its own. For `model`, `*` means all of its models. */
export interface Simulator {
  /** Up to and including `/v1`. */
  readonly baseUrl: string;
  setBehaviour(model: string, changes: Partial<ModelBehaviour>): Promise<void>;
  /** Each of these faults applies to one of the model's next calls. */
  queueFaults(model: string, faults: readonly Fault[]): Promise<void>;
  /** null: every call is accepted. */
  setApiKeys(apiKeys: readonly string[] | null): Promise<void>;
  /** All received calls, in the order in which they started. */
  calls(): Promise<readonly SimulatedCall[]>;
  /** Forgets all calls that have started so far, including those in flight. */
  clearCalls(): Promise<void>;
  /** Closes all connections and refuses new ones until `comeUp`, which listens on the same port again. */
  goDown(): Promise<void>;
  comeUp(): Promise<void>;
  openConnections(): Promise<number>;
  /** Completions in flight whose client is still connected. */
  openCalls(): Promise<number>;
  close(): Promise<void>;
}

/** Larger requests get a 413. */
const maxRequestBytes = 4 * 1024 * 1024;
const host = '127.0.0.1';

export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const seed = options.seed ?? 'bellwether';
  const models = new Map(
    Object.entries(options.models).map(([name, changes]) => [name, new SimulatedModel(name, changes, seed)]),
  );
  const log = new CallLog(options.logFile);
  let apiKeys = options.apiKeys ?? null;
  let isDown = false;
  let openCalls = 0;
  const context = { models, log, isGoingDown: () => isDown };

  const server = createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (request, response) => {
    if (!refuseForeignPage(request, response)) route(request, response);
  });
  await listen(server, options.port ?? 0);
  const { port } = server.address() as AddressInfo;

  function route(request: IncomingMessage, response: ServerResponse): void {
    const isCompletion = request.method === 'POST' && request.url === '/v1/chat/completions';
    const authorization = request.headers.authorization;
    if (apiKeys !== null && !apiKeys.some((key) => authorization === `Bearer ${key}`)) {
      // Some providers quote the rejected key in the error; so does this one, to simulate the worst case.
      const message = `Incorrect API key provided: ${authorization ?? 'none'}.`;
      const fault = { kind: 'status', status: 401, message, code: 'invalid_api_key' } as const;
      request.resume();
      if (isCompletion) refuse(log, request, response, null, fault);
      else sendError(response, fault);
    } else if (isCompletion) {
      openCalls += 1;
      response.once('close', () => (openCalls -= 1));
      readBody(request, response, (body) => serveChatCompletion(context, request, response, body));
    } else if (request.method === 'POST' && request.url === '/v1/embeddings') {
      readBody(request, response, (body) => serveEmbeddings(log, request, response, body));
    } else if (request.method === 'GET' && request.url === '/v1/models') {
      const data = [...models.keys()].map((id) => ({ id, object: 'model', created: 0, owned_by: 'simulator' }));
      sendJson(response, 200, { object: 'list', data });
    } else {
      sendError(response, { status: 404, message: `Unknown request: ${request.method} ${request.url}` });
    }
  }

  function modelsNamed(model: string): readonly SimulatedModel[] {
    const found = model === '*' ? [...models.values()] : [models.get(model)].filter((each) => each !== undefined);
    if (found.length === 0)
      throw new Error(`This simulator has no model ${model}; it has ${[...models.keys()].join(', ')}.`);
    return found;
  }

  return {
    baseUrl: `http://${host}:${port}/v1`,
    setBehaviour: async (model, changes) => modelsNamed(model).forEach((each) => each.change(changes)),
    queueFaults: async (model, faults) => modelsNamed(model).forEach((each) => each.queueFaults(faults)),
    setApiKeys: async (keys) => {
      apiKeys = keys;
    },
    calls: async () => log.calls(),
    clearCalls: async () => log.clear(),
    goDown: async () => {
      isDown = true;
      await stopListening(server);
    },
    comeUp: async () => {
      await listen(server, port);
      isDown = false;
    },
    openConnections: () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
      }),
    openCalls: async () => openCalls,
    close: async () => {
      isDown = true;
      await stopListening(server);
      log.close();
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Resolves when the last connection is closed, so that the end of every call is in the log. */
async function stopListening(server: Server): Promise<void> {
  if (!server.listening) return;
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
}

function readBody(request: IncomingMessage, response: ServerResponse, onBody: (body: string) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= maxRequestBytes) chunks.push(chunk);
  });
  request.on('end', () => {
    if (bytes > maxRequestBytes) sendError(response, { status: 413, message: 'The request is too large.' });
    else onBody(Buffer.concat(chunks).toString('utf8'));
  });
}
