import { setTimeout as delay } from 'node:timers/promises';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Redis } from 'ioredis';
import { type GatewayError, tooMany } from './gateway-error';
import { Pacing } from './pacing';

export interface RateLimitOptions {
  /** Of keys that have no limit of their own. */
  readonly requestsPerMinute: number;
  /** Shared by all gateways; null: each counts for itself. */
  readonly redis: Redis | null;
}

/**
 * A long request takes time with its length from everybody: 1 MiB is a quarter of a second of a worker's thread, and half as
 * much of a gateway's. With the usual 600 requests a minute one key could take all of both; so it has 18 of the longest, or 600
 * of those that a chat sends.
 */
const countedBytes = 32 * 1024;

const minuteMs = 60_000;

/** Limits the requests of each API key in every minute. Its routes come after `requireKey`. */
export async function limitRequests(server: FastifyInstance, options: RateLimitOptions): Promise<void> {
  await server.register(rateLimit, {
    timeWindow: minuteMs,
    max: ({ apiKey }: FastifyRequest) => apiKey.requestsPerMinute ?? options.requestsPerMinute,
    keyGenerator: ({ apiKey }: FastifyRequest) => `key/${apiKey.id}`,
    ...(options.redis && { redis: options.redis }),
    nameSpace: 'bellwether:requests:',
    // Without Redis nobody is counted: budgets still hold, and answers are worth more than a limit on their number.
    skipOnError: true,
    errorResponseBuilder: (_request, { max, ttl }) => exceeded(max, ttl),
  });
  const count = server.createRateLimit();
  const pacing = new Pacing();
  server.addHook('preValidation', async (request) => {
    const more = Math.floor(request.bodyBytes / countedBytes);
    if (more === 0) return;
    const counts = await Promise.all(Array.from({ length: more }, () => count(request)));
    const last = counts.at(-1);
    if (last && !last.isAllowed && last.isExceeded) throw exceeded(last.max, last.ttl);
    // Evenly over the minute: all of them in its first seconds would have these seconds to themselves.
    const { apiKey } = request;
    const requestsPerMinute = apiKey.requestsPerMinute ?? options.requestsPerMinute;
    const waitMs = pacing.waitMs(apiKey.id, (minuteMs * more) / requestsPerMinute, performance.now());
    // Where nobody is counted, as without Redis, those that wait would hold more and more memory.
    if (waitMs === null) throw exceeded(requestsPerMinute, minuteMs);
    await delay(waitMs);
  });
}

function exceeded(max: number, ttlMs: number): GatewayError {
  const seconds = Math.ceil(ttlMs / 1000);
  return tooMany(
    `This API key has made its ${max} requests of this minute; one counts again for each further ${countedBytes / 1024} KiB. Try again in ${seconds} s.`,
    'rate_limit_exceeded',
    seconds,
  );
}
