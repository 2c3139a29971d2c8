import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { StreamPiece } from '../contract/stream';
import { type Entry, keyOf, pieceOf } from './piece-entry';
import { TurnLog } from './turn-log';

/** Where Redis waits for the next piece. Ends so often anyway, in case that waking it up did not work. */
export const blockMs = 2_000;

/** Per stream and answer: a long answer that is read late comes in a few parts. */
const maxEntriesPerStream = 1_000;

/** After a failed read; the connection itself has its own, growing delay. */
const retryAfterMs = 50;

/**
 * Asking for n streams costs Redis and us in proportion to n, also when one piece is there. So the more are watched, the
 * longer pieces gather: 1,000 turns are asked for 50 times a second, 50 turns as often as something comes.
 */
const watchedPerMillisecond = 50;
const maxGatherMs = 20;

interface WatchedTurn {
  readonly log: TurnLog;
  /** The entry that was read last. */
  lastId: string;
}

const beforeAll = '0-0';

/**
 * Reads all watched turns' streams with one command at a time on one connection, and hands their pieces to any number of
 * readers. The command waits at Redis; `wakeUp` ends that wait early, for a turn that is to be watched too.
 */
export class PieceReader {
  private readonly watched = new Map<string, WatchedTurn>();
  private lastWakeUpId = beforeAll;
  private isWaiting = false;
  private isRunning = false;
  private isClosed = false;

  /**
   * @param redis this reader's own: whatever else it is sent waits behind its reads
   * @param wakeUpKey a stream of this reader's own
   * @param wakeUp writes to that stream, by another connection
   */
  constructor(
    private readonly redis: Redis,
    private readonly wakeUpKey: string,
    private readonly wakeUp: () => void,
  ) {
    redis.on('close', () => this.beginAnew());
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
    const turn = { log: new TurnLog(), lastId: beforeAll };
    this.watched.set(turnName, turn);
    if (this.isWaiting) {
      this.isWaiting = false; // once is enough, however many turns come
      this.wakeUp();
    }
    if (!this.isRunning) void this.run();
    return turn;
  }

  /** As long as anybody reads. Never rejects. */
  private async run(): Promise<void> {
    this.isRunning = true;
    while (this.watched.size > 0 && !this.isClosed) {
      try {
        const asked = new Map(this.watched);
        const streams = await this.waitForEntries();
        for (const [key, entries] of streams) this.deliver(key, entries, asked);
        const gatherMs = Math.min(maxGatherMs, Math.floor(this.watched.size / watchedPerMillisecond));
        if (streams.length > 0 && gatherMs > 0) await sleep(gatherMs);
      } catch {
        await sleep(retryAfterMs); // the connection was lost, or is not there yet; it says so itself
      }
    }
    this.isRunning = false;
  }

  private async waitForEntries(): Promise<[key: string, entries: Entry[]][]> {
    const keys = [this.wakeUpKey, ...Array.from(this.watched.keys(), keyOf)];
    const ids = [this.lastWakeUpId, ...Array.from(this.watched.values(), ({ lastId }) => lastId)];
    this.isWaiting = true;
    try {
      return (await this.redis.xread('COUNT', maxEntriesPerStream, 'BLOCK', blockMs, 'STREAMS', ...keys, ...ids)) ?? [];
    } finally {
      this.isWaiting = false;
    }
  }

  private deliver(key: string, entries: readonly Entry[], asked: ReadonlyMap<string, WatchedTurn>): void {
    const lastId = entries.at(-1)?.[0];
    if (lastId === undefined) return;
    if (key === this.wakeUpKey) {
      this.lastWakeUpId = lastId;
      return;
    }
    // A turn that was left and is read again meanwhile begins at its beginning: this is not for it.
    const turn = asked.get(key.slice(keyOf('').length));
    if (turn === undefined) return;
    turn.lastId = lastId;
    for (const entry of entries) {
      const piece = pieceOf(entry);
      if (piece !== undefined) turn.log.append(piece);
    }
  }

  /**
   * The next connection may be to a Redis that has lost everything, or to another one, whose ids are smaller. So all is
   * read from the beginning: pieces come again, or a lost stream has only later ones.
   */
  private beginAnew(): void {
    this.lastWakeUpId = beforeAll;
    for (const turn of this.watched.values()) {
      turn.lastId = beforeAll;
      turn.log.forget();
    }
  }
}
