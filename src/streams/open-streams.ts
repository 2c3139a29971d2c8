import type { TurnStreams } from '../contract/stream';
import { MemoryStreams } from './memory-streams';

/** The turns' streams of this process alone; with a Redis, those of all processes that use it. */
export function openTurnStreams(redisUrl: string | undefined): TurnStreams {
  if (redisUrl !== undefined) throw new Error('Streams over Redis are not there yet.');
  return new MemoryStreams();
}
