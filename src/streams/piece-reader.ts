import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { StreamPiece } from '../contract/stream';
import { type Entry, keyOf, pieceOf } from './piece-entry';
import { TurnLog } from './turn-log';

/** How long a read blocks at Redis for the next piece. Also bounds the delay when a wake-up is lost. */
export const blockMs = 2_000;

/** Per stream and command: a long answer that is read late arrives in a few batches. */
const maxEntriesPerStream = 1_000;

/** The delay after a failed read; the connection has its own backoff. */
const retryAfterMs = 50;

/**
 * Reading n streams costs Redis and us time in proportion to n, even for a single piece. So the more turns are watched, the
 * longer pieces are batched: 1,000 turns are read 50 times a second, 50 turns whenever something arrives.
 */
const turnsPerBatchingMs = 50;
const maxBatchingMs = 20;

interface WatchedTurn {
  readonly log: TurnLog;
  /** The id of the last entry that was read. */
  lastId: string;
}

const streamStart = '0-0';

/**
 * Reads the streams of all watched turns with one command at a time on one connection, and passes their pieces to any
 * number of readers. The command blocks at Redis; `wakeUp` interrupts it when another turn is to be watched.
 */
export class PieceReader {
  private readonly watched = new Map<string, WatchedTurn>();
  private lastWakeUpId = streamStart;
  private isBlocked = false;
  private isRunning = false;
  private isClosed = false;

  /**
   * @param redis a connection for this reader alone: other commands would wait behind its blocking reads
   * @param wakeUpKey a stream for this reader alone
   * @param wakeUp writes to that stream, through another connection
   */
  constructor(
    private readonly redis: Redis,
    private readonly wakeUpKey: string,
    private readonly wakeUp: () => void,
  ) {
    redis.on('close', () => this.readFromBeginning());
  }

  async *read(turnName: string, signal: AbortSignal): AsyncGenerator<StreamPiece, void, undefined> {
    if (this.isClosed || signal.aborted) return;
    const turn = this.watch(turnName);
    try {
      yield* turn.log.read(signal);
    } finally {
      if (!turn.log.isRead && this.watched.get(turnName) === turn) this.watched.delete(turnName);
    }
  }

  close(): void {
    this.isClosed = true;
    for (const { log } of this.watched.values()) log.close();
    this.watched.clear();
  }

  private watch(turnName: string): WatchedTurn {
    const present = this.watched.get(turnName);
    if (present !== undefined) return present;
    const turn = { log: new TurnLog(), lastId: streamStart };
    this.watched.set(turnName, turn);
    if (this.isBlocked) {
      this.isBlocked = false; // one wake-up is enough, however many turns are added
      this.wakeUp();
    }
    if (!this.isRunning) void this.run();
    return turn;
  }

  /** Runs as long as there are readers. Never rejects. */
  private async run(): Promise<void> {
    this.isRunning = true;
    while (this.watched.size > 0 && !this.isClosed) {
      try {
        const watchedAtRead = new Map(this.watched);
        const streams = await this.waitForEntries();
        for (const [key, entries] of streams) this.deliver(key, entries, watchedAtRead);
        const batchingMs = Math.min(maxBatchingMs, Math.floor(this.watched.size / turnsPerBatchingMs));
        if (streams.length > 0 && batchingMs > 0) await sleep(batchingMs);
      } catch {
        await sleep(retryAfterMs); // the connection was lost or is not established yet; `reportOutages` logs it
      }
    }
    this.isRunning = false;
  }

  private async waitForEntries(): Promise<[key: string, entries: Entry[]][]> {
    const keys = [this.wakeUpKey, ...Array.from(this.watched.keys(), keyOf)];
    const ids = [this.lastWakeUpId, ...Array.from(this.watched.values(), ({ lastId }) => lastId)];
    this.isBlocked = true;
    try {
      return (await this.redis.xread('COUNT', maxEntriesPerStream, 'BLOCK', blockMs, 'STREAMS', ...keys, ...ids)) ?? [];
    } finally {
      this.isBlocked = false;
    }
  }

  private deliver(key: string, entries: readonly Entry[], watchedAtRead: ReadonlyMap<string, WatchedTurn>): void {
    const lastId = entries.at(-1)?.[0];
    if (lastId === undefined) return;
    if (key === this.wakeUpKey) {
      this.lastWakeUpId = lastId;
      return;
    }
    // If a turn was unwatched and watched again during the read, the new watch starts at the beginning; these entries are not for it.
    const turn = watchedAtRead.get(key.slice(keyOf('').length));
    if (turn === undefined) return;
    turn.lastId = lastId;
    for (const entry of entries) {
      const piece = pieceOf(entry);
      if (piece !== undefined) turn.log.append(piece);
    }
  }

  /**
   * The next connection may reach a Redis that has lost its data, or a different one with smaller ids. So everything is
   * read from the beginning: pieces are repeated, or, if the stream was lost, only later ones arrive.
   */
  private readFromBeginning(): void {
    this.lastWakeUpId = streamStart;
    for (const turn of this.watched.values()) {
      turn.lastId = streamStart;
      turn.log.forget();
    }
  }
}
