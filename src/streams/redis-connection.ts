import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Redis, type RedisOptions } from 'ioredis';
import type { RedisObserver } from '../contract/observers';

/** Receives messages for operators; compatible with a pino logger. */
export interface StreamLogger {
  info(message: string): void;
  warn(message: string): void;
}

/** Redis responds within a millisecond. A connection that is silent for this long hangs, and is replaced. */
export const responseTimeoutMs = 5_000;

/** A working Redis closes the connection within milliseconds, so this cuts off nothing that is still needed. */
const disconnectTimeoutMs = 200;

/**
 * A connection that is established at the first command and re-established whenever it is lost. Without a connection,
 * commands fail fast: nothing queues up, and nothing is resent without the sender's knowledge. `changes` overrides options.
 */
export function connectToRedis(url: string, changes: RedisOptions = {}, observer?: RedisObserver): Redis {
  const redis = new Redis(url, {
    lazyConnect: true,
    protocol: 2, // enough for streams, and supported since Redis 5
    disableClientInfo: true,
    connectTimeout: responseTimeoutMs,
    socketTimeout: responseTimeoutMs,
    disconnectTimeout: disconnectTimeoutMs,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    retryStrategy: retryDelayMs,
    ...changes,
  });
  if (observer) observe(redis, observer);
  return redis;
}

function observe(redis: Redis, observer: RedisObserver): void {
  redis.on('ready', () => observer.changed(redis, true));
  redis.on('error', () => observer.changed(redis, false));
  const send = redis.sendCommand.bind(redis);
  // A command that waits for the connection is sent twice.
  const seen = new WeakSet<Command>();
  // All commands go through this method, also those of transactions.
  redis.sendCommand = (command: Command, stream) => {
    // Its time is the time until something arrives.
    if (command.name === 'xread' || seen.has(command)) return send(command, stream);
    seen.add(command);
    const startedAtMs = performance.now();
    const end = (isOk: boolean) => observer.answered((performance.now() - startedAtMs) / 1000, isOk);
    const sent = send(command, stream);
    command.promise.then(
      () => end(true),
      () => end(false),
    );
    return sent;
  };
}

/** What an outage means for operators; each is the end of a log message. */
export interface OutageConsequences {
  readonly away: string;
  readonly back: string;
}

/** Logs once when Redis becomes unavailable and once when it is back, however many connections and retries are involved. */
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
        logger?.warn(`Redis at ${where} is unavailable (${describeRedisFailure(error)}). ${consequences.away}`);
    });
    redis.on('ready', () => {
      const wasAway = away.delete(redis);
      if (wasAway && away.size === 0) logger?.info(`Redis is back: ${consequences.back}`);
    });
  }
}

/** From 50 ms, so that a short interruption is hardly noticed, up to a second, because retrying faster would not help while Redis is down. */
function retryDelayMs(attempt: number): number {
  const jitterMs = Math.random() * 50; // many processes lose the same Redis at the same time
  return Math.min(50 * 2 ** (attempt - 1), 1_000) + jitterMs;
}

/** Closes a connection; resolves when its resources are released. */
export async function disconnect(redis: Redis): Promise<void> {
  if (redis.status === 'end') return;
  // Between reconnection attempts ioredis emits no `end` event, but its disconnect timer still runs.
  const ended =
    redis.status === 'reconnecting'
      ? sleep(disconnectTimeoutMs)
      : new Promise<void>((resolve) => redis.once('end', () => resolve()));
  redis.disconnect();
  await ended;
}

/**
 * Why Redis is unavailable, in one word: a system error code, or Redis's own error name. Nothing else of the error is
 * exposed: its message and fields may quote the command, which contains message text or the password.
 */
export function describeRedisFailure(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'unknown';
  if ('errors' in error && Array.isArray(error.errors)) return describeRedisFailure(error.errors[0]); // one per address
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (!('name' in error && 'message' in error)) return 'unknown';
  const firstWord = String(error.message).split(' ', 1)[0] ?? '';
  return error.name === 'ReplyError' && /^[A-Z]+$/.test(firstWord) ? firstWord : String(error.name);
}
