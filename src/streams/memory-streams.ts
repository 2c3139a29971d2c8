import type { StreamPiece, TurnStreams } from '../contract/stream';
import { TurnLog } from './turn-log';

export interface MemoryStreamsOptions {
  /** How long a turn's pieces are kept after its last one. */
  readonly keepMs?: number;
  /** Code units of all turns together; the turn that has been silent longest is forgotten first. */
  readonly maxTextLength?: number;
}

/** A caller whose connection broke comes back within a minute or two; later it gets the whole reply from its turn. */
const defaultKeepMs = 5 * 60_000;

/** At most 128 MB as JavaScript keeps text: some 16,000 answers of 1,000 tokens, more than `keepMs` sees on one machine. */
const defaultMaxTextLength = 64 * 1024 * 1024;

interface KeptTurn {
  readonly log: TurnLog;
  lastPieceAtMs: number;
}

/** `TurnStreams` for a process that is both worker and gateway. */
export class MemoryStreams implements TurnStreams {
  /** Those that have been silent longest come first. */
  private readonly turns = new Map<string, KeptTurn>();
  private readonly keepMs: number;
  private readonly maxTextLength: number;
  private textLength = 0;
  private sweeping: NodeJS.Timeout | undefined;
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
    this.forgetSilent((_, textLength) => textLength > this.maxTextLength);
    // Twice as often as turns grow old, so that one is kept at most half longer than it should be.
    this.sweeping ??= setInterval(() => this.sweep(), this.keepMs / 2).unref();
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
    clearInterval(this.sweeping);
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
    this.forgetSilent((turn) => turn.lastPieceAtMs < oldestMs);
    if (this.textLength > 0) return;
    clearInterval(this.sweeping);
    this.sweeping = undefined;
  }

  /** From the one that has been silent longest, as far as they are to go. Those that are read stay, without their text. */
  private forgetSilent(isToGo: (turn: KeptTurn, textLength: number) => boolean): void {
    for (const [turnName, turn] of this.turns) {
      if (!isToGo(turn, this.textLength)) return;
      this.textLength -= turn.log.textLength;
      turn.log.forget();
      if (!turn.log.isRead) this.turns.delete(turnName);
    }
  }
}
