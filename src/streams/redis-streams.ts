import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { StreamPiece, TurnStreams } from '../contract/stream';
import { MemoryStreams } from './memory-streams';
import { keyOf, pieceOf } from './piece-entry';
import { blockMs, PieceReader } from './piece-reader';
import { PieceWriter } from './piece-writer';
import { connectToRedis, disconnect, reportOutages, silentAfterMs, type StreamLogger } from './redis-connection';

/** Whoever asks has a caller waiting, and can do without. */
const piecesTimeoutMs = 1_000;

/** The last words of a worker that shuts down; a Redis in order takes them within milliseconds. */
const flushTimeoutMs = 1_000;

/**
 * What this process wrote itself, for its next attempt at the same turn, which follows within half a minute. At most 16 MB
 * as JavaScript keeps text.
 */
const ownPieces = { keepMs: 60_000, maxTextLength: 8 * 1024 * 1024 } as const;

const consequences = {
  away: 'Answers come whole, not word by word, until it is back.',
  back: 'answers come word by word again.',
} as const;

/** Only the process that made it looks at it, and makes it again when it is gone. */
const wakeUpExpireSeconds = 60;

/**
 * `TurnStreams` between processes, by Redis Streams. A Redis that is away makes answers late; nothing fails or waits for
 * it. After a break pieces may be read again from the beginning: `AnswerSoFar` swallows what its caller has. `pieces` also
 * has what this process wrote and Redis has lost or not taken yet: what its callers saw can be gone on with.
 * Two connections serve any number of turns and readers; each is made when it is first needed.
 */
export class RedisStreams implements TurnStreams {
  /** All but the reads that wait. */
  private readonly commands: Redis;
  private readonly reads: Redis;
  private readonly writer: PieceWriter;
  private readonly reader: PieceReader;
  private readonly own = new MemoryStreams(ownPieces);
  private closing: Promise<void> | undefined;

  constructor(redisUrl: string, logger?: StreamLogger) {
    this.commands = connectToRedis(redisUrl);
    this.reads = connectToRedis(redisUrl, { socketTimeout: blockMs + silentAfterMs });
    reportOutages([this.commands, this.reads], logger, consequences);
    this.writer = new PieceWriter(this.commands);
    const wakeUpKey = `bellwether:turn-stream-wake-up:${randomUUID()}`;
    this.reader = new PieceReader(this.reads, wakeUpKey, () => this.wakeUp(wakeUpKey));
  }

  write(turnName: string, piece: StreamPiece): void {
    this.own.write(turnName, piece);
    this.writer.write(turnName, piece);
  }

  async pieces(turnName: string): Promise<readonly StreamPiece[]> {
    return [...(await this.keptPieces(turnName)), ...(await this.own.pieces(turnName))];
  }

  read(turnName: string, signal: AbortSignal): AsyncIterable<StreamPiece> {
    return this.reader.read(turnName, signal);
  }

  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async keptPieces(turnName: string): Promise<readonly StreamPiece[]> {
    const patience = new AbortController();
    const tooLate = sleep(piecesTimeoutMs, [], { signal: patience.signal }).catch(() => []);
    try {
      const entries = await Promise.race([this.commands.xrange(keyOf(turnName), '-', '+'), tooLate]);
      return entries.flatMap((entry) => pieceOf(entry) ?? []);
    } catch {
      return []; // Redis is away, which the connection says itself
    } finally {
      patience.abort();
    }
  }

  private async end(): Promise<void> {
    this.reader.close();
    await this.own.close();
    await this.writer.close(flushTimeoutMs);
    await Promise.all([disconnect(this.commands), disconnect(this.reads)]);
  }

  /** One that is lost costs a new reader the rest of the wait at Redis, two seconds at most. */
  private wakeUp(key: string): void {
    const transaction = this.commands.multi().xadd(key, 'MAXLEN', 1, '*', 'wake', 'up');
    transaction
      .expire(key, wakeUpExpireSeconds)
      .exec()
      .catch(() => undefined);
  }
}
