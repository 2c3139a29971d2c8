/** What the steps of a turn hand to each other: results of activities, so all of it is recorded in histories. */
import type { ChatMessage, Delivery, RequestOptions, ToolCall } from './chat';
import type { CallFailure, FailureKind } from './failures';

/** Upper bounds and shares that pricing needs, measured where the text is. */
export interface PromptMeasure {
  /** UTF-8 bytes of all messages: an upper bound of the tokens of any byte-level tokenizer. */
  readonly bytes: number;
  readonly characters: number;
  readonly cjkCharacters: number;
  readonly messages: number;
}

/** A reservation for one model call, made by the ledger. */
export interface AttemptTicket {
  /** From 1, given out by the ledger, unique within the turn. */
  readonly attempt: number;
  readonly reservedNanoUsd: number;
  /** The worker process that holds the reservation: another one that finds it knows that the call may have been made. */
  readonly owner: string;
}

/** One step of the fallback chain, as admitted. */
export interface PlannedTarget {
  readonly name: string;
  readonly provider: string;
  readonly model: string;
  readonly firstAttempt: 'local' | 'regular';
}

/** What refused a turn or an attempt. */
export type RefusalScope = 'session' | 'day' | 'key' | 'closed';

export type Admission =
  | {
      readonly kind: 'admitted';
      readonly arm: string;
      /** An active rollout sent the turn to its canary arm. Missing in histories from before rollouts. */
      readonly canary?: boolean;
      /** The name under which the ledger has the turn. Missing in histories from when that was the turn id alone. */
      readonly turnName?: string;
      readonly targets: readonly PlannedTarget[];
      /** The reservation for the first call of the first target. */
      readonly ticket: AttemptTicket;
      /** Attempts per target and the longest each may take; recorded so that a turn keeps the policy it began with. */
      readonly maxAttemptsPerTarget: number;
      readonly longestAttemptMs: number;
      /** Wall clock, milliseconds since 1970. */
      readonly deadlineAtMs: number;
    }
  | { readonly kind: 'refused'; readonly scope: RefusalScope; readonly remainingNanoUsd: number };

export interface TokenUsage {
  readonly promptTokens: number;
  readonly cachedPromptTokens: number;
  readonly completionTokens: number;
}

/** How one attempt ends in the ledger. */
export interface Settlement {
  readonly attempt: number;
  /**
   * `settled`: the provider said what was used. `released`: it certainly cost nothing.
   * `unconfirmed`: nobody knows; the reserved amount is counted as spent and shown apart.
   */
  readonly state: 'settled' | 'released' | 'unconfirmed';
  /** Ignored unless `settled`. */
  readonly costNanoUsd: number;
  readonly usage: TokenUsage | null;
  /** What the payer should know of the usage: that it passed the reservation, or why it was not believed. */
  readonly usageNote?: string;
  readonly outcome: 'answered' | FailureKind;
  readonly httpStatus: number | null;
  readonly latencyMs: number;
  readonly endedAtMs: number;
}

/** What a model said. Everything but the text may be missing in histories from before it was kept. */
interface ModelAnswer {
  readonly content: string;
  /** Why it does not answer, in its own words: an answer like any other, and paid. */
  readonly refusal?: string;
  readonly finishReason?: string | null;
  readonly toolCalls?: readonly ToolCall[];
}

export type CallOutcome =
  | (ModelAnswer & { readonly kind: 'answered'; readonly model: string; readonly settlement: Settlement })
  /** `retryDelayMs` is null when this target must not be asked again. */
  | { readonly kind: 'failed'; readonly failure: CallFailure; readonly retryDelayMs: number | null };

/** What the ledger knows of a turn once it is recorded. */
export interface TurnTotals {
  /** Calls that were made, or may have been. */
  readonly attempts: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly costNanoUsd: number;
  readonly unconfirmedNanoUsd: number;
  readonly latencyMs: number;
  readonly remainingNanoUsd: number;
}

/** What admission has to know of a turn. */
export interface AdmitTurnInput extends Pick<RequestOptions, 'maxTokens' | 'delivery' | 'model' | 'keyId'> {
  /** The turn's name, by `turnName` or `oneShotTurnName`. */
  readonly turnId: string;
  readonly sessionId: string | null;
  readonly userId: string | null;
  readonly prompt: PromptMeasure;
}

/** Input of `openTurn`. */
export interface OpenTurnInput extends AdmitTurnInput, RequestOptions {
  readonly messages: readonly ChatMessage[];
}

type Admitted = Extract<Admission, { kind: 'admitted' }>;
export type Refused = Extract<Admission, { kind: 'refused' }>;

/** How far a turn came in its first step: most are answered and recorded, and then only the reply's parts are kept. */
export type OpenedTurn =
  | Refused
  | (ModelAnswer & {
      readonly kind: 'answered';
      readonly arm: string;
      /** As in `Admission`. */
      readonly canary?: boolean;
      readonly target: string;
      readonly model: string;
      /** Of the call that answered; missing as the parts of `ModelAnswer` may be. */
      readonly usage?: TokenUsage | null;
      readonly totals: TurnTotals;
    })
  /** `firstCall` is null when it was not made here: the target is slow, or the ledger was lost meanwhile. */
  | { readonly kind: 'admitted'; readonly admission: Admitted; readonly firstCall: CallOutcome | null };

/** Input of both model-call activities. */
export interface ModelCallInput extends Pick<RequestOptions, 'temperature' | 'maxTokens' | 'modelOptions' | 'keyId'> {
  /** The name that the turn was admitted under. */
  readonly turnId: string;
  readonly arm: string;
  readonly target: PlannedTarget;
  readonly messages: readonly ChatMessage[];
  readonly prompt: PromptMeasure;
  readonly delivery?: Delivery;
  /** A reservation made for this call; null when the activity has to make its own. */
  readonly ticket: AttemptTicket | null;
  /** Calls of this target made before this activity was scheduled. */
  readonly earlierCalls: number;
  readonly deadlineAtMs: number;
}

export type AnsweredCall = Extract<CallOutcome, { kind: 'answered' }>;

/** Input of `recordTurn`. */
export interface RecordTurnInput {
  /** The name that the turn was admitted under. */
  readonly turnId: string;
  /** Null when every target failed. */
  readonly answer: { readonly target: string; readonly model: string; readonly settlement: Settlement } | null;
  readonly error: string | null;
}
