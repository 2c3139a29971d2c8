/**
 * The side channel that delivers a turn's text to its caller while the model is still generating. It is best effort: the
 * turn's reply is authoritative. Offsets count UTF-16 code units of the answer, from 0.
 */

/** A piece of one attempt's answer. */
export interface StreamPiece {
  /** The attempt's number in the ledger, to tell pieces of different attempts apart. */
  readonly attempt: number;
  /**
   * Offset of `text` in the answer. The first piece of every attempt is at 0: an attempt that continues an earlier one
   * repeats the earlier text, so that readers never join the texts of two attempts without noticing.
   */
  readonly at: number;
  readonly text: string;
}

/** Carries the pieces from the worker that makes a turn's call to its readers. Turns are identified by their names. */
export interface TurnStreams {
  /** Never throws and never blocks: a lost piece makes the answer late, not wrong. */
  write(turnName: string, piece: StreamPiece): void;
  /**
   * All pieces that are still kept, oldest first. Empty when the turn has none, when they have expired, or when they
   * cannot be read within a second. Never throws.
   */
  pieces(turnName: string): Promise<readonly StreamPiece[]>;
  /** All pieces that are still kept, then new ones as they arrive, until `signal` is aborted. Never throws. */
  read(turnName: string, signal: AbortSignal): AsyncIterable<StreamPiece>;
  close(): Promise<void>;
}
