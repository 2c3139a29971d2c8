import { setTimeout as sleep } from 'node:timers/promises';
import { Redis, type RedisOptions } from 'ioredis';

/** Takes what an operator should know; a pino logger is one. */
export interface StreamLogger {
  info(message: string): void;
  warn(message: string): void;
}

/** Redis answers within a millisecond; one that says nothing for so long hangs, and a new connection is tried. */
export const silentAfterMs = 5_000;

/** Only what nobody waits for is cut off so; a Redis in order says good-bye within milliseconds. */
const disconnectTimeoutMs = 200;

/**
 * A connection that is made at the first command and, whenever it is lost, again and again. While there is none a command
 * fails soon: nothing gathers, and nothing is sent twice behind the sender's back. `changes`: what one use has otherwise.
 */
export function connectToRedis(url: string, changes: RedisOptions = {}): Redis {
  return new Redis(url, {
    lazyConnect: true,
    protocol: 2, // all that streams need, from Redis 5 on
    disableClientInfo: true,
    connectTimeout: silentAfterMs,
    socketTimeout: silentAfterMs,
    disconnectTimeout: disconnectTimeoutMs,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    retryStrategy: retryDelayMs,
    ...changes,
  });
}

/** What an outage means for whoever reads the log; each a sentence's end. */
export interface OutageConsequences {
  readonly away: string;
  readonly back: string;
}

/** Tells once that Redis is away and once that it is back, however many connections and tries that concerns. */
export function reportOutages(
  connections: readonly Redis[],
  logger: StreamLogger | undefined,
  consequences: OutageConsequences,
): void {
  const away = new Set<Redis>();
  for (const redis of connections) {
    redis.on('error', (error) => {
      const isNews = away.size === 0;
      away.add(redis);
      const where = `${redis.options.host}:${redis.options.port}`;
      if (isNews)
        logger?.warn(`Redis at ${where} cannot be used (${describeRedisFailure(error)}). ${consequences.away}`);
    });
    redis.on('ready', () => {
      const wasAway = away.delete(redis);
      if (wasAway && away.size === 0) logger?.info(`Redis is back: ${consequences.back}`);
    });
  }
}

/** From 50 ms, so that a short break is hardly noticed, to a second: more often helps nobody while Redis is down. */
function retryDelayMs(attempt: number): number {
  const jitterMs = Math.random() * 50; // many processes lose the same Redis at the same time
  return Math.min(50 * 2 ** (attempt - 1), 1_000) + jitterMs;
}

/** Resolves when nothing of the connection is left. */
export async function disconnect(redis: Redis): Promise<void> {
  if (redis.status === 'end') return;
  // Between two tries ioredis tells no end, and its timer for one that does not say good-bye runs all the same.
  const ended =
    redis.status === 'reconnecting'
      ? sleep(disconnectTimeoutMs)
      : new Promise<void>((resolve) => redis.once('end', () => resolve()));
  redis.disconnect();
  await ended;
}

/**
 * Why Redis cannot be used, in a word: a system's error code, or Redis's own name for it. Nothing more of the error goes
 * out: its message and its fields may repeat what was sent, which is message text or the password.
 */
export function describeRedisFailure(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'unknown';
  if ('errors' in error && Array.isArray(error.errors)) return describeRedisFailure(error.errors[0]); // one per address
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (!('name' in error && 'message' in error)) return 'unknown';
  const firstWord = String(error.message).split(' ', 1)[0] ?? '';
  return error.name === 'ReplyError' && /^[A-Z]+$/.test(firstWord) ? firstWord : String(error.name);
}
