import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Redis } from 'ioredis';
import { tooMany } from './gateway-error';

export interface RateLimitOptions {
  /** Of keys that have no limit of their own. */
  readonly requestsPerMinute: number;
  /** Shared by all gateways; null: each counts for itself. */
  readonly redis: Redis | null;
}

/** Limits the requests of each API key in every minute. Its routes come after `requireKey`. */
export async function limitRequests(server: FastifyInstance, options: RateLimitOptions): Promise<void> {
  await server.register(rateLimit, {
    timeWindow: '1 minute',
    max: ({ apiKey }: FastifyRequest) => apiKey.requestsPerMinute ?? options.requestsPerMinute,
    keyGenerator: ({ apiKey }: FastifyRequest) => `key/${apiKey.id}`,
    ...(options.redis && { redis: options.redis }),
    nameSpace: 'bellwether:requests:',
    // Without Redis nobody is counted: budgets still hold, and answers are worth more than a limit on their number.
    skipOnError: true,
    errorResponseBuilder: (_request, { max, ttl }) => {
      const seconds = Math.ceil(ttl / 1000);
      return tooMany(
        `This API key has made its ${max} requests of this minute. Try again in ${seconds} s.`,
        'rate_limit_exceeded',
        seconds,
      );
    },
  });
}
