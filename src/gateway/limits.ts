import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Redis } from 'ioredis';
import type { GatewaySettings } from '../config/settings';
import { GatewayError } from './gateway-error';

/** What one gateway process takes and how long it waits; every number with its reason. */
export interface GatewayLimits extends ConfiguredLimits {
  readonly maxTextBytes: number;
  readonly maxHeaderBytes: number;
  readonly requestTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly holdHeadersMs: number;
  readonly heartbeatMs: number;
  readonly readinessMs: number;
  readonly lookEveryMs: number;
  readonly refuseAfterMs: number;
  readonly drainMs: number;
  readonly readWithinMs: number;
}

type ConfiguredLimits = Pick<
  GatewaySettings,
  'maxBodyBytes' | 'maxOpenRequests' | 'maxOpenRequestsOfKey' | 'maxBytesInFlight' | 'maxBytesInFlightOfKey'
>;

/** The limits that operators can change. */
export function configuredLimits(settings: GatewaySettings): ConfiguredLimits {
  const { maxBodyBytes, maxOpenRequests, maxOpenRequestsOfKey, maxBytesInFlight, maxBytesInFlightOfKey } = settings;
  return { maxBodyBytes, maxOpenRequests, maxOpenRequestsOfKey, maxBytesInFlight, maxBytesInFlightOfKey };
}

export const gatewayLimits: Omit<GatewayLimits, keyof ConfiguredLimits> = {
  /** All messages of a turn fit Temporal's 2 MB payload only when a request stays under half of it. Without its pictures. */
  maxTextBytes: 1024 * 1024,
  /** Node's own default: the longest ids and keys that are accepted take one of the sixteen. */
  maxHeaderBytes: 16 * 1024,
  /** From a request's first byte to its last: the largest one over 1.4 Mbit/s, a slow upload of a telephone. */
  requestTimeoutMs: 120_000,
  /** Headers fit one packet or two; who needs longer keeps a connection busy on purpose. */
  headersTimeoutMs: 10_000,
  /** Longer than the 60 s that load balancers keep an idle connection: the side that sends must be the one to close it. */
  keepAliveTimeoutMs: 65_000,
  /** A stream's headers wait so long for a first piece or an error, which can then have a status of its own. */
  holdHeadersMs: 2_000,
  /** Proxies end connections that are silent for 30 s and longer; one comment may be lost to a slow network. */
  heartbeatMs: 10_000,
  /** Probes mostly allow a few seconds; what does not answer in two is not ready. */
  readinessMs: 2_000,
  /** How often a gateway checks whether turns can begin. One check costs a commit and three small requests. */
  lookEveryMs: 5_000,
  /**
   * Longer than a worker, Temporal or a database takes to restart: a turn that arrives during a restart waits and is
   * answered. Whatever is missing for longer is not just restarting.
   */
  refuseAfterMs: 60_000,
  /** Orchestrators kill after 30 s by default: what is left then is told so while there is time. */
  drainMs: 25_000,
  /** From a turn's end to the last byte of its stream: a whole answer of 100 KB at the speed of a slow telephone line. */
  readWithinMs: 30_000,
};

/** 0 for a body in chunks, which do not say how many there are. */
export function declaredBytes({ headers }: Pick<FastifyRequest, 'headers'>): number {
  return Number(headers['content-length'] ?? 0);
}

export interface RateLimitOptions extends Pick<GatewayLimits, 'maxTextBytes'> {
  /** Of keys that have no limit of their own. */
  readonly requestsPerMinute: number;
  /** Shared by all gateways; null: each counts for itself. */
  readonly redis: Redis | null;
}

/**
 * The longer a request is, the more time it takes from everybody: 1 MiB is a quarter of a second of a worker's thread, and half
 * as much of a gateway's. With the usual 600 requests a minute one key could take all of both; so it may send 18 of the longest,
 * or 600 of those that a chat sends.
 */
const countedBytes = 32 * 1024;

/** Pictures are not looked at: to read and keep 1 MiB of them takes as long as 32 KiB of text. */
const countedLargeBytes = 1024 * 1024;

/** Limits the requests of each API key in every minute. Its routes come after `requireKey`. */
export async function limitRequests(server: FastifyInstance, options: RateLimitOptions): Promise<void> {
  await server.register(rateLimit, {
    timeWindow: 60_000,
    max: ({ apiKey }: FastifyRequest) => apiKey.requestsPerMinute ?? options.requestsPerMinute,
    keyGenerator: ({ apiKey }: FastifyRequest) => `key/${apiKey.id}`,
    ...(options.redis && { redis: options.redis }),
    nameSpace: 'bellwether:requests:',
    // Without Redis nobody is counted: budgets still hold, and answers are worth more than a limit on their number.
    skipOnError: true,
    errorResponseBuilder: (request, { max, ttl }) => {
      const refusal = exceeded(max, ttl);
      // To read a long body for nothing costs more than a new connection.
      return declaredBytes(request) > countedBytes ? refusal.unread() : refusal;
    },
  });
  const count = server.createRateLimit();
  // Before it is read: 20 MiB take a tenth of a second of everybody's time, whatever comes of them.
  server.addHook('preParsing', async (request, reply) => {
    await countFurther(request, reply, furtherOfLarge(declaredBytes(request)));
  });
  // After the count of the request itself, and before the schema: what is refused for its content has been read too.
  server.addHook('preValidation', async (request, reply) => {
    const furtherOfChunks = declaredBytes(request) === 0 ? furtherOfLarge(request.receivedBytes) : 0;
    await countFurther(request, reply, Math.floor(request.bodyBytes / countedBytes) + furtherOfChunks);
  });

  function furtherOfLarge(bytes: number): number {
    return bytes > options.maxTextBytes ? Math.floor(bytes / countedLargeBytes) : 0;
  }

  async function countFurther(request: FastifyRequest, reply: FastifyReply, further: number): Promise<void> {
    if (further === 0) return;
    const before = await count(request, { increment: false });
    if (before.isAllowed) return;
    // With a small limit a long request takes the whole minute: it could never be sent if it counted more.
    const more = Math.min(further, before.max - 1);
    if (before.remaining < more) throw exceeded(before.max, before.ttl);
    const counts = await Promise.all(Array.from({ length: more }, () => count(request)));
    const last = counts.at(-1);
    if (last === undefined || last.isAllowed) return;
    // Others of the key may have been counted at the same time.
    if (last.isExceeded) throw exceeded(last.max, last.ttl);
    reply.header('x-ratelimit-remaining', last.remaining);
  }
}

function exceeded(max: number, ttlMs: number): GatewayError {
  const seconds = Math.ceil(ttlMs / 1000);
  return new GatewayError(
    'rate_limit_exceeded',
    `This API key has made its ${max} requests of this minute; a long request counts once more for every further ${countedBytes / 1024} KiB of its body, or 1 MiB of pictures. Try again in ${seconds} s.`,
    { headers: { 'retry-after': String(seconds) } },
  );
}
