import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Redis } from 'ioredis';
import { type GatewayError, tooMany } from './gateway-error';

export interface RateLimitOptions {
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
    errorResponseBuilder: (_request, { max, ttl }) => exceeded(max, ttl),
  });
  const count = server.createRateLimit();
  // After the count of the request itself, and before the schema: what is refused for its content has been read too.
  server.addHook('preValidation', async (request, reply) => {
    const further = Math.floor(request.bodyBytes / countedBytes);
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
  });
}

function exceeded(max: number, ttlMs: number): GatewayError {
  const seconds = Math.ceil(ttlMs / 1000);
  return tooMany(
    `This API key has made its ${max} requests of this minute; a long request counts once more for every further ${countedBytes / 1024} KiB of its body. Try again in ${seconds} s.`,
    'rate_limit_exceeded',
    seconds,
  );
}
