import type { StreamPiece, TurnStreams } from '../contract/stream';
import { TurnLog } from './turn-log';

export interface MemoryStreamsOptions {
  /** How long a turn's pieces are kept after the last one. */
  readonly keepMs?: number;
  /** Limit for all turns together, in UTF-16 code units; the turn that has been idle longest is evicted first. */
  readonly maxTextLength?: number;
}

/** A caller whose connection broke reconnects within a minute or two; later it gets the whole reply from its turn. */
const defaultKeepMs = 5 * 60_000;

/** At most 128 MB as JavaScript strings: some 16,000 answers of 1,000 tokens, more than one machine produces within `keepMs`. */
const defaultMaxTextLength = 64 * 1024 * 1024;

interface KeptTurn {
  readonly log: TurnLog;
  lastPieceAtMs: number;
}

/** `TurnStreams` for a process that is both worker and gateway. */
export class MemoryStreams implements TurnStreams {
  /** Ordered by idle time, longest first. */
  private readonly turns = new Map<string, KeptTurn>();
  private readonly keepMs: number;
  private readonly maxTextLength: number;
  private textLength = 0;
  private sweepTimer: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(options: MemoryStreamsOptions = {}) {
    this.keepMs = options.keepMs ?? defaultKeepMs;
    this.maxTextLength = options.maxTextLength ?? defaultMaxTextLength;
  }

  /** Turns that have pieces or readers. */
  get turnCount(): number {
    return this.turns.size;
  }

  write(turnName: string, piece: StreamPiece): void {
    if (this.isClosed || piece.text === '') return;
    const turn = this.turnOf(turnName);
    turn.lastPieceAtMs = performance.now();
    turn.log.append(piece);
    this.textLength += piece.text.length;
    this.turns.delete(turnName);
    this.turns.set(turnName, turn);
    this.evictIdle((_, textLength) => textLength > this.maxTextLength);
    // Twice per `keepMs`, so that a turn is kept at most half as long again.
    this.sweepTimer ??= setInterval(() => this.sweep(), this.keepMs / 2).unref();
  }

  pieces(turnName: string): Promise<readonly StreamPiece[]> {
    return Promise.resolve(this.turns.get(turnName)?.log.pieces() ?? []);
  }

  async *read(turnName: string, signal: AbortSignal): AsyncGenerator<StreamPiece, void, undefined> {
    if (this.isClosed) return;
    const turn = this.turnOf(turnName);
    try {
      yield* turn.log.read(signal);
    } finally {
      const isOurs = this.turns.get(turnName) === turn;
      if (isOurs && !turn.log.isRead && turn.log.textLength === 0) this.turns.delete(turnName);
    }
  }

  close(): Promise<void> {
    this.isClosed = true;
    clearInterval(this.sweepTimer);
    for (const { log } of this.turns.values()) log.close();
    this.turns.clear();
    return Promise.resolve();
  }

  private turnOf(turnName: string): KeptTurn {
    let turn = this.turns.get(turnName);
    if (turn === undefined) {
      turn = { log: new TurnLog(), lastPieceAtMs: performance.now() };
      this.turns.set(turnName, turn);
    }
    return turn;
  }

  private sweep(): void {
    const oldestMs = performance.now() - this.keepMs;
    this.evictIdle((turn) => turn.lastPieceAtMs < oldestMs);
    if (this.textLength > 0) return;
    clearInterval(this.sweepTimer);
    this.sweepTimer = undefined;
  }

  /** Evicts turns, longest idle first, while `shouldEvict` returns true. Turns with readers stay, without their text. */
  private evictIdle(shouldEvict: (turn: KeptTurn, textLength: number) => boolean): void {
    for (const [turnName, turn] of this.turns) {
      if (!shouldEvict(turn, this.textLength)) return;
      this.textLength -= turn.log.textLength;
      turn.log.forget();
      if (!turn.log.isRead) this.turns.delete(turnName);
    }
  }
}
