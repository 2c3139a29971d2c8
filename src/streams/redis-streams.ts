import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { RedisObserver } from '../contract/observers';
import type { StreamPiece, TurnStreams } from '../contract/stream';
import { MemoryStreams } from './memory-streams';
import { keyOf, pieceOf } from './piece-entry';
import { blockMs, PieceReader } from './piece-reader';
import { PieceWriter } from './piece-writer';
import { connectToRedis, disconnect, reportOutages, responseTimeoutMs, type StreamLogger } from './redis-connection';

/** A turn is waiting for the result and can do without it. */
const piecesTimeoutMs = 1_000;

/** For the last pieces of a worker that is shutting down; a working Redis takes them within milliseconds. */
const flushTimeoutMs = 1_000;

/**
 * The pieces that this process wrote, for its next attempt of the same turn, which follows within half a minute. At most
 * 16 MB as JavaScript strings.
 */
const ownPiecesLimits = { keepMs: 60_000, maxTextLength: 8 * 1024 * 1024 } as const;

const consequences = {
  away: 'Until it is back, answers arrive in one piece instead of being streamed.',
  back: 'answers are streamed again.',
} as const;

/** Only the process that created the stream reads it, and it recreates the stream after it has expired. */
const wakeUpExpireSeconds = 60;

/**
 * `TurnStreams` across processes, with Redis Streams. While Redis is unavailable, answers are late, but nothing fails or
 * waits. After an interruption, pieces may be read again from the beginning: `AnswerSoFar` skips what its caller has.
 * `pieces` also returns what this process wrote and Redis lost or has not received yet, so that an answer that callers
 * have seen can be continued. Two connections, each made on first use, serve any number of turns and readers.
 */
export class RedisStreams implements TurnStreams {
  /** For everything except blocking reads. */
  private readonly commands: Redis;
  private readonly reads: Redis;
  private readonly writer: PieceWriter;
  private readonly reader: PieceReader;
  private readonly ownPieces = new MemoryStreams(ownPiecesLimits);
  private closing: Promise<void> | undefined;

  constructor(redisUrl: string, logger?: StreamLogger, observer?: RedisObserver) {
    this.commands = connectToRedis(redisUrl, {}, observer);
    this.reads = connectToRedis(redisUrl, { socketTimeout: blockMs + responseTimeoutMs }, observer);
    reportOutages([this.commands, this.reads], logger, consequences);
    this.writer = new PieceWriter(this.commands);
    const wakeUpKey = `bellwether:turn-stream-wake-up:${randomUUID()}`;
    this.reader = new PieceReader(this.reads, wakeUpKey, () => this.wakeUp(wakeUpKey));
  }

  write(turnName: string, piece: StreamPiece): void {
    this.ownPieces.write(turnName, piece);
    this.writer.write(turnName, piece);
  }

  async pieces(turnName: string): Promise<readonly StreamPiece[]> {
    return [...(await this.keptPieces(turnName)), ...(await this.ownPieces.pieces(turnName))];
  }

  read(turnName: string, signal: AbortSignal): AsyncIterable<StreamPiece> {
    return this.reader.read(turnName, signal);
  }

  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async keptPieces(turnName: string): Promise<readonly StreamPiece[]> {
    const cancelTimeout = new AbortController();
    const timeout = sleep(piecesTimeoutMs, [], { signal: cancelTimeout.signal }).catch(() => []);
    try {
      const entries = await Promise.race([this.commands.xrange(keyOf(turnName), '-', '+'), timeout]);
      return entries.flatMap((entry) => pieceOf(entry) ?? []);
    } catch {
      return []; // Redis is unavailable; `reportOutages` logs it
    } finally {
      cancelTimeout.abort();
    }
  }

  private async end(): Promise<void> {
    this.reader.close();
    await this.ownPieces.close();
    await this.writer.close(flushTimeoutMs);
    await Promise.all([disconnect(this.commands), disconnect(this.reads)]);
  }

  /** If a wake-up is lost, a new reader waits until the blocking read ends: two seconds at most. */
  private wakeUp(key: string): void {
    const transaction = this.commands.multi().xadd(key, 'MAXLEN', 1, '*', 'wake', 'up');
    transaction
      .expire(key, wakeUpExpireSeconds)
      .exec()
      .catch(() => undefined);
  }
}
