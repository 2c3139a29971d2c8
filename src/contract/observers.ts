import type { AnswerFlag, FeedbackSignal } from './user-evidence';

/** What happens to a service, told to whoever counts it. Its methods must not throw. */
export interface ServiceObserver {
  readonly ledger: LedgerObserver;
  readonly redis: RedisObserver;
}

/** Told by the ledger; only of transactions that were committed, as far as this process knows. */
export interface LedgerObserver {
  /** After each try of a read or a transaction. `isAvailable`: false if the database is what failed. */
  tried(kind: 'read' | 'write', seconds: number, isAvailable: boolean): void;
  callEnded(ending: CallEnding): void;
  costChanged(change: CostChange): void;
  /** An answer got a flag that it did not have. */
  answerFlagged(flagged: FlaggedAnswer): void;
  /** A signal that differs from the turn's last one. */
  feedbackGiven(feedback: GivenFeedback): void;
}

interface Place {
  /** The arm and the target's name, from the configuration that the call was made with. */
  readonly arm: string;
  readonly target: string;
}

/** A model call that was made, or may have been made. */
export interface CallEnding extends Place {
  /** `answered`, or how it failed; null if nobody knows. */
  readonly outcome: string | null;
  readonly latencyMs: number;
  /** Null if it was not streamed, or no token came. */
  readonly firstTokenMs: number | null;
}

export interface CostChange extends Place {
  readonly confirmedNanoUsd: number;
  /** Negative when an unconfirmed call turns out to have cost something else, or nothing. */
  readonly unconfirmedNanoUsd: number;
}

interface FlaggedAnswer {
  /** The arm that answered. */
  readonly arm: string;
  readonly flag: AnswerFlag;
  /** A label of `languageOf`; null if it is unknown. */
  readonly language: string | null;
}

interface GivenFeedback {
  readonly arm: string;
  readonly signal: FeedbackSignal;
}

/** Told by the connections to Redis. */
export interface RedisObserver {
  /** After each command that does not wait for new entries. */
  answered(seconds: number, isOk: boolean): void;
  /** `connection` identifies one of several. */
  changed(connection: object, isUp: boolean): void;
}
