import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { StreamPiece } from '../contract/stream';
import { fieldsOf, keyOf } from './piece-entry';
import { isNext } from './turn-log';

/**
 * Longer than any turn runs, with time for a caller to come back; after that its reply is there whole. Without it the
 * streams of a year would stay in Redis.
 */
const expireAfterSeconds = 60 * 60;

/** What waits while Redis is away, in bytes as estimated below: some thousand answers. Beyond it the oldest turns go. */
const maxWaitingBytes = 32 * 1024 * 1024;

/** JavaScript's own cost of a piece that is joined to another, whose text is short as a rule. */
const pieceOverheadBytes = 64;

/** One transaction holds Redis up for a few milliseconds at most. */
const maxTurnsPerBatch = 500;

/** A command that failed on an open connection (no memory left, a replica) is tried again so often. */
const retryAfterMs = 200;

interface WaitingTurn {
  pieces: StreamPiece[];
  bytes: number;
}

/**
 * Writes pieces in the order in which they come, one transaction at a time. What comes while one is under way waits for
 * the next, joined to what waits already: a slow Redis gets fewer, longer pieces. A transaction whose end is unknown is
 * sent again, so a piece may stand in its stream twice.
 */
export class PieceWriter {
  /** Those that have waited longest come first. */
  private readonly waiting = new Map<string, WaitingTurn>();
  private waitingBytes = 0;
  private isClosed = false;
  private flushing: Promise<void> | undefined;

  constructor(private readonly redis: Redis) {}

  write(turnName: string, piece: StreamPiece): void {
    if (this.isClosed || piece.text === '') return;
    this.add(turnName, piece);
    while (this.waitingBytes > maxWaitingBytes) this.dropOldest();
    this.flushing ??= this.flush();
  }

  /** Takes nothing more. Resolves when what waits has been written, or after `patienceMs`. */
  async close(patienceMs: number): Promise<void> {
    const patience = new AbortController();
    const tooLate = sleep(patienceMs, undefined, { signal: patience.signal }).catch(() => undefined);
    if (this.redis.status === 'ready') await Promise.race([this.flushing, tooLate]);
    patience.abort();
    this.isClosed = true;
    this.waiting.clear();
  }

  private add(turnName: string, piece: StreamPiece): void {
    let turn = this.waiting.get(turnName);
    if (turn === undefined) this.waiting.set(turnName, (turn = { pieces: [], bytes: 0 }));
    const last = turn.pieces.at(-1);
    if (last && isNext(last, piece)) turn.pieces[turn.pieces.length - 1] = { ...last, text: last.text + piece.text };
    else turn.pieces.push(piece);
    const bytes = piece.text.length * 2 + pieceOverheadBytes;
    turn.bytes += bytes;
    this.waitingBytes += bytes;
  }

  /** The rest of such a turn is a gap to its readers; they get it with the reply. */
  private dropOldest(): void {
    for (const [turnName, { bytes }] of this.waiting) {
      this.waiting.delete(turnName);
      this.waitingBytes -= bytes;
      return;
    }
  }

  private async flush(): Promise<void> {
    while (this.waiting.size > 0) {
      const batch = this.takeBatch();
      while (!(await this.send(batch))) {
        await sleep(retryAfterMs, undefined, { ref: false });
        if (this.isClosed) return;
      }
    }
    this.flushing = undefined;
  }

  private takeBatch(): ReadonlyMap<string, readonly StreamPiece[]> {
    const batch = new Map<string, readonly StreamPiece[]>();
    for (const [turnName, { pieces, bytes }] of this.waiting) {
      if (batch.size === maxTurnsPerBatch) break;
      batch.set(turnName, pieces);
      this.waiting.delete(turnName);
      this.waitingBytes -= bytes;
    }
    return batch;
  }

  /** In one transaction, so that no stream is without an expiry. False when Redis did not take it, as far as we know. */
  private async send(batch: ReadonlyMap<string, readonly StreamPiece[]>): Promise<boolean> {
    const transaction = this.redis.multi();
    for (const [turnName, pieces] of batch) {
      for (const piece of pieces) transaction.xadd(keyOf(turnName), '*', ...fieldsOf(piece));
      transaction.expire(keyOf(turnName), expireAfterSeconds);
    }
    return transaction.exec().then(
      () => true, // also when a single command failed: it would fail again
      () => false,
    );
  }
}
