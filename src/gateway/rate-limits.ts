import { setTimeout as delay } from 'node:timers/promises';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Redis } from 'ioredis';
import type { Logger } from 'pino';
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

/** A count is worth waiting for half a second; Redis answers within a millisecond. */
const countTimeoutMs = 500;

/** What is asked before it is connected is not counted; a Redis that is away must not keep the gateway from starting. */
const connectTimeoutMs = 2_000;

/** Connects, or goes on trying behind its caller's back. Never fails. */
export async function openCounter(redisUrl: string, logger: Logger): Promise<Redis> {
  const redis = new Redis(redisUrl, {
    commandTimeout: countTimeoutMs,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
  });
  let isAway = false;
  redis.on('error', (error: Error) => {
    if (!isAway) logger.warn({ err: error }, 'Redis does not answer: requests are not limited until it does');
    isAway = true;
  });
  redis.on('ready', () => {
    isAway = false;
  });
  const ready = new Promise<void>((resolve) => {
    redis.once('ready', resolve);
  });
  await Promise.race([ready, delay(connectTimeoutMs, undefined, { ref: false })]);
  return redis;
}
