import type { TurnStreams } from '../contract/stream';
import { MemoryStreams } from './memory-streams';
import type { StreamLogger } from './redis-connection';
import { RedisStreams } from './redis-streams';

/**
 * The turns' streams of this process alone; with a Redis, those of all processes that use it. Redis need not be up: it is
 * connected to when it is first needed, and `logger` is told when it goes away and when it is back.
 * @param redisUrl `redis://…` or `rediss://…`; its password and message text are never logged
 */
export function openTurnStreams(redisUrl: string | undefined, logger?: StreamLogger): TurnStreams {
  return redisUrl === undefined ? new MemoryStreams() : new RedisStreams(redisUrl, logger);
}
