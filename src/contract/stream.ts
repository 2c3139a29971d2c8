/**
 * The side channel by which a turn's text reaches its caller while the model still speaks. The turn's reply is the truth;
 * what comes this way is only earlier. Offsets count UTF-16 code units of the answer, from 0.
 */

/** A piece of one attempt's answer. */
export interface StreamPiece {
  /** The ledger's number of the attempt, so that pieces of different attempts are told apart. */
  readonly attempt: number;
  /**
   * Where in the answer `text` stands. The first piece of every attempt stands at 0: one that goes on from what an earlier
   * one sent says that again, so that texts of two attempts are never joined unnoticed.
   */
  readonly at: number;
  readonly text: string;
}

/** Carries the pieces from the worker that makes a turn's call to whoever reads them. Turns go by their names here. */
export interface TurnStreams {
  /** Never throws and never waits: a piece that is lost makes the answer late, not wrong. */
  write(turnName: string, piece: StreamPiece): void;
  /**
   * All pieces that are still known, oldest first; none when the turn has none, or they are gone, or cannot be had within
   * a second. Never throws.
   */
  pieces(turnName: string): Promise<readonly StreamPiece[]>;
  /** All pieces from the first that is still known, then as they come, until `signal` is aborted. Never throws. */
  read(turnName: string, signal: AbortSignal): AsyncIterable<StreamPiece>;
  close(): Promise<void>;
}
