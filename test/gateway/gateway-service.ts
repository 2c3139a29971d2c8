import pino from 'pino';
import { createApiKey } from '../../src/access/api-key';
import { type Gateway, type GatewayOptions, startGateway } from '../../src/gateway/gateway';
import type { ApiKey } from '../../src/contract/api-keys';
import { openImageStore } from '../../src/services/image-store';
import { prepareService, type Service, type ServiceOptions } from '../support/service';

/**
 * Half of what a test may take: where a limit is not what a test is about, no process that is held up for some seconds makes a
 * good call late, or a good request.
 */
const patienceMs = 60_000;
const patientGateway = {
  headersTimeoutMs: patienceMs,
  requestTimeoutMs: patienceMs,
  // An error that comes before any text has its status, however late it is.
  holdHeadersMs: patienceMs,
  readinessMs: patienceMs,
  refuseAfterMs: Infinity,
} as const;
const patientStream = { firstByteMs: patienceMs, firstTokenMs: patienceMs, idleMs: patienceMs } as const;
/** Whoever waits for something by asking again and again is not to be refused for that. */
const manyRequestsPerMinute = 100_000;

/** For tests that are about the answer, and not about the retries before it. */
export const oneAttempt = { maxAttemptsPerTarget: 1, baseDelayMs: 0, delayJitterMs: 0 } as const;

export interface GatewayServiceOptions extends ServiceOptions {
  readonly limits?: GatewayOptions['limits'];
  readonly host?: string;
  /** Where requests are counted. */
  readonly redis?: GatewayOptions['redis'];
  /** false: no worker runs yet. */
  readonly worker?: boolean;
}

/** A whole service with a gateway in front of it, all in this process. */
export interface GatewayService {
  readonly service: Service;
  readonly gateway: Gateway;
  /** Of role chat, without limits. */
  readonly key: string;
  /** What the gateway has logged, line by line. */
  readonly logged: string[];
  createKey(changes?: Partial<ApiKey>): Promise<string>;
  /** `GET` or, with a body, `POST`, with the key. */
  call(path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>;
  /** What `/metrics` says, to an operator. */
  metrics(url?: string): Promise<string>;
  /** Another gateway of the same service. */
  startGateway(options?: Partial<GatewayOptions>): Promise<Gateway>;
  stop(): Promise<void>;
}

export async function startGatewayService(options: GatewayServiceOptions = {}): Promise<GatewayService> {
  const { configuration } = options;
  const service = await prepareService({
    ...options,
    configuration: {
      ...configuration,
      stream: { ...patientStream, ...configuration?.stream },
      gateway: { requestsPerMinute: manyRequestsPerMinute, ...configuration?.gateway },
    },
  });
  const { streams } = service;
  const logged: string[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) });
  const start = ({ limits, ...changes }: Partial<GatewayOptions> = {}) =>
    startGateway({
      client: service.client,
      ledger: service.ledger,
      streams,
      images: openImageStore(service.ledger.images, service.settings),
      settings: service.settings,
      logger,
      port: 0,
      host: options.host ?? '127.0.0.1',
      limits: { ...patientGateway, ...options.limits, ...limits },
      redis: options.redis,
      ...changes,
    });
  const gateway = await start();
  if (options.worker !== false) await service.startWorker();
  const createKey = (changes: Partial<ApiKey> = {}) => createTestKey(service, changes);
  const key = await createKey();
  const operatorKey = await createKey({ role: 'operator' });
  return {
    service,
    gateway,
    key,
    logged,
    createKey,
    startGateway: start,
    metrics: async (url = gateway.url) => {
      const headers = { authorization: `Bearer ${operatorKey}` };
      return (await fetch(`${url}/metrics`, { headers })).text();
    },
    call: (path, body, headers = {}) =>
      fetch(`${gateway.url}${path}`, {
        ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      }),
    stop: async () => {
      await gateway.close();
      await service.stop();
    },
  };
}

export async function createTestKey({ ledger }: Service, changes: Partial<ApiKey> = {}): Promise<string> {
  const { id, text, secretHash } = createApiKey();
  await ledger.keys.create({
    id,
    name: 'test',
    role: 'chat',
    dayNanoUsd: null,
    totalNanoUsd: null,
    models: null,
    requestsPerMinute: null,
    createdAtMs: Date.now(),
    expiresAtMs: null,
    ...changes,
    secretHash,
  });
  return text;
}

/** The smallest request that is answered. */
export const hello = { model: 'bellwether', messages: [{ role: 'user', content: 'Where is my order?' }] } as const;

export interface ErrorAnswer {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}
