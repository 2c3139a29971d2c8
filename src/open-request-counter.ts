import { setTimeout as delay } from 'node:timers/promises';
import type { Redis, RedisOptions } from 'ioredis';
import { connectToRedis, reportOutages, type StreamLogger } from './streams/redis-connection';

/** A count is worth waiting for half a second; Redis answers within a millisecond. */
const countTimeoutMs = 500;

/** What is asked before it is connected is not counted; a Redis that is away must not keep the gateway from starting. */
const connectTimeoutMs = 2_000;

/**
 * Where all gateways count requests together. Connects, or goes on trying behind its caller's back. Never fails. `changes`:
 * what the connection has otherwise.
 */
export async function openRequestCounter(
  redisUrl: string,
  logger: StreamLogger,
  changes: RedisOptions = {},
): Promise<Redis> {
  const redis = connectToRedis(redisUrl, { commandTimeout: countTimeoutMs, enableOfflineQueue: false, ...changes });
  reportOutages([redis], logger, {
    away: 'Requests are not limited until it is back.',
    back: 'requests are limited again.',
  });
  const ready = new Promise<void>((resolve) => {
    redis.once('ready', resolve);
  });
  redis.connect().catch(() => undefined); // which the reports say
  await Promise.race([ready, delay(connectTimeoutMs, undefined, { ref: false })]);
  return redis;
}
