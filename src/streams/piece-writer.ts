import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { StreamPiece } from '../contract/stream';
import { fieldsOf, keyOf } from './piece-entry';
import { isNext } from './turn-log';

/**
 * Longer than any turn, plus time for a caller to reconnect; after that, callers get the whole reply from the turn. Without
 * an expiry, the streams would stay in Redis forever.
 */
const expireAfterSeconds = 60 * 60;

/** The most that is queued while Redis is unavailable, in bytes as estimated below: some thousand answers. Beyond that, the oldest turns are dropped. */
const maxQueuedBytes = 32 * 1024 * 1024;

/** JavaScript's overhead for joining a piece, whose text is usually short, to another. */
const pieceOverheadBytes = 64;

/** So that one transaction blocks Redis for a few milliseconds at most. */
const maxTurnsPerBatch = 500;

/** The delay before retrying a transaction that failed on an open connection (out of memory, read-only replica). */
const retryAfterMs = 200;

interface QueuedTurn {
  pieces: StreamPiece[];
  bytes: number;
}

/**
 * Writes pieces in order of arrival, one transaction at a time. Pieces that arrive while one is in flight are queued for the
 * next and joined: a slow Redis gets fewer, longer pieces. A transaction whose outcome is unknown is sent again, so a piece
 * may appear in its stream twice.
 */
export class PieceWriter {
  /** Ordered by waiting time, longest first. */
  private readonly queue = new Map<string, QueuedTurn>();
  private queuedBytes = 0;
  private isClosed = false;
  private flushing: Promise<void> | undefined;

  constructor(private readonly redis: Redis) {}

  write(turnName: string, piece: StreamPiece): void {
    if (this.isClosed || piece.text === '') return;
    this.add(turnName, piece);
    while (this.queuedBytes > maxQueuedBytes) this.dropOldest();
    this.flushing ??= this.flush();
  }

  /** Stops accepting pieces. Resolves when the queue has been written, or after `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    const cancelTimeout = new AbortController();
    const timeout = sleep(timeoutMs, undefined, { signal: cancelTimeout.signal }).catch(() => undefined);
    if (this.redis.status === 'ready') await Promise.race([this.flushing, timeout]);
    cancelTimeout.abort();
    this.isClosed = true;
    this.queue.clear();
  }

  private add(turnName: string, piece: StreamPiece): void {
    let turn = this.queue.get(turnName);
    if (turn === undefined) this.queue.set(turnName, (turn = { pieces: [], bytes: 0 }));
    const last = turn.pieces.at(-1);
    if (last && isNext(last, piece)) turn.pieces[turn.pieces.length - 1] = { ...last, text: last.text + piece.text };
    else turn.pieces.push(piece);
    const bytes = piece.text.length * 2 + pieceOverheadBytes;
    turn.bytes += bytes;
    this.queuedBytes += bytes;
  }

  /** Readers of a dropped turn see a gap and get the rest with the reply. */
  private dropOldest(): void {
    for (const [turnName, { bytes }] of this.queue) {
      this.queue.delete(turnName);
      this.queuedBytes -= bytes;
      return;
    }
  }

  private async flush(): Promise<void> {
    while (this.queue.size > 0) {
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
    for (const [turnName, { pieces, bytes }] of this.queue) {
      if (batch.size === maxTurnsPerBatch) break;
      batch.set(turnName, pieces);
      this.queue.delete(turnName);
      this.queuedBytes -= bytes;
    }
    return batch;
  }

  /** One transaction, so that every stream has an expiry. Returns false if Redis did not accept it, as far as we know. */
  private async send(batch: ReadonlyMap<string, readonly StreamPiece[]>): Promise<boolean> {
    const transaction = this.redis.multi();
    for (const [turnName, pieces] of batch) {
      for (const piece of pieces) transaction.xadd(keyOf(turnName), '*', ...fieldsOf(piece));
      transaction.expire(keyOf(turnName), expireAfterSeconds);
    }
    return transaction.exec().then(
      () => true, // even if a single command failed: it would fail again
      () => false,
    );
  }
}
