import type { RedisObserver } from '../contract/observers';
import type { TurnStreams } from '../contract/stream';
import { MemoryStreams } from './memory-streams';
import type { StreamLogger } from './redis-connection';
import { RedisStreams } from './redis-streams';

/**
 * Opens the turns' streams: within this process, or with Redis, across all processes that use it. Redis need not be
 * available yet: it is connected on first use, and outages are logged to `logger`.
 * @param redisUrl `redis://…` or `rediss://…`; its password and message text are never logged
 */
export function openTurnStreams(
  redisUrl: string | undefined,
  logger?: StreamLogger,
  observer?: RedisObserver,
): TurnStreams {
  return redisUrl === undefined ? new MemoryStreams() : new RedisStreams(redisUrl, logger, observer);
}
