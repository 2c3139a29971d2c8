/** What the steps of a turn pass to each other. These are activity inputs and results, so histories record all of it. */
import type { ChatMessage, Delivery, RequestOptions, ToolCall } from './chat';
import type { CallFailure, FailureKind } from './failures';
import type { TraceContext } from './trace';
import type { AnswerFlag, FeedbackSignal } from './user-evidence';

/** The sizes of a prompt that pricing needs. */
export interface PromptMeasure {
  /** UTF-8 bytes of all messages: an upper bound for the token count of any byte-level tokenizer. */
  readonly bytes: number;
  readonly characters: number;
  readonly cjkCharacters: number;
  readonly messages: number;
  /** Pictures. Their tokens depend on the target, and not on their bytes. Absent in histories that have them in `bytes`. */
  readonly images?: number;
}

/** A reservation for one model call, made by the ledger. */
export interface AttemptTicket {
  /** Assigned by the ledger, from 1, unique within the turn. */
  readonly attempt: number;
  readonly reservedNanoUsd: number;
  /** The worker process that holds the reservation. Any other process must assume that the call may have been made. */
  readonly owner: string;
}

/** One target of the fallback chain, as chosen at admission. */
export interface PlannedTarget {
  readonly name: string;
  readonly provider: string;
  readonly model: string;
  readonly firstAttempt: 'local' | 'regular';
  /**
   * The arm or chain that it belongs to, if that is not the turn's: the baseline of a rollout, which rescues turns of its
   * canary, or a fallback that the request names.
   */
  readonly arm?: string;
  /** The request named it. */
  readonly isFallback?: true;
}

/** Which budget refused a turn or an attempt; `closed`: the session is closed. */
export type RefusalScope = 'session' | 'day' | 'key' | 'closed';

/** What logs and traces say about a turn, beside its name. */
export interface TurnTags {
  /** The arm that admitted the turn. */
  readonly arm: string;
  /** The bake that the turn counts towards. */
  readonly rollout?: string;
  readonly bake?: number;
  /** The version of the configuration that admitted the turn, which it keeps to its end. */
  readonly configuration?: string;
  /** The span that asked for the turn, or else the one of its admission. Absent: the turn is not traced. */
  readonly trace?: TraceContext;
}

export type Admission =
  | {
      readonly kind: 'admitted';
      readonly arm: string;
      /** An active rollout sent the turn to its canary arm. Absent in histories from before rollouts. */
      readonly canary?: boolean;
      /** The turn's name in the ledger. Absent in histories from when that was the turn id alone. */
      readonly turnName?: string;
      readonly targets: readonly PlannedTarget[];
      /** The reservation for the first call of the first target. */
      readonly ticket: AttemptTicket;
      /** Attempts per target and the longest timeout of one; recorded so that a turn keeps the policy it started with. */
      readonly maxAttemptsPerTarget: number;
      readonly longestAttemptMs: number;
      /** Wall clock, milliseconds since 1970. */
      readonly deadlineAtMs: number;
      /**
       * The same for the arm's own targets, where others may have to rescue the turn; not for its first call. Absent:
       * `deadlineAtMs`.
       */
      readonly ownDeadlineAtMs?: number;
      /** Absent in older histories. */
      readonly tags?: TurnTags;
    }
  | { readonly kind: 'refused'; readonly scope: RefusalScope; readonly remainingNanoUsd: number }
  /** See `AdmitResult`. */
  | { readonly kind: 'not-kept' }
  | { readonly kind: 'stopped' };

export interface TokenUsage {
  readonly promptTokens: number;
  readonly cachedPromptTokens: number;
  /** Those of the prompt tokens that were written to a cache. Absent: none. */
  readonly cacheWriteTokens?: number;
  readonly completionTokens: number;
  /** Those of the completion tokens that the model thought with, if its provider says so. */
  readonly reasoningTokens?: number;
}

/** How one attempt ends in the ledger. */
export interface Settlement {
  readonly attempt: number;
  /**
   * `settled`: the provider reported the usage. `released`: the attempt certainly cost nothing.
   * `unconfirmed`: the cost is unknown; the reserved amount counts as spent and is shown separately.
   */
  readonly state: 'settled' | 'released' | 'unconfirmed';
  /** Ignored unless `settled`. */
  readonly costNanoUsd: number;
  readonly usage: TokenUsage | null;
  /** Anything unusual about the usage: that it exceeded the reservation, or why it was not believed. */
  readonly usageNote?: string;
  readonly outcome: 'answered' | FailureKind;
  /** What the request asks for can make any target fail like this. Absent: no, and in histories. */
  readonly mayBeAskedFor?: true;
  readonly httpStatus: number | null;
  readonly latencyMs: number;
  /** From the start of the call to its first token. null: none came. Absent for calls that do not stream, and in histories. */
  readonly firstTokenMs?: number | null;
  readonly endedAtMs: number;
}

/** A model's answer. All fields but the text may be absent in older histories. */
interface ModelAnswer {
  readonly content: string;
  /** The model's own explanation for not answering. It counts as an answer and is paid for. */
  readonly refusal?: string;
  readonly finishReason?: string | null;
  readonly toolCalls?: readonly ToolCall[];
  readonly thoughts?: string;
  /** What is wrong with it; empty: nothing. */
  readonly flags?: readonly AnswerFlag[];
}

export type CallOutcome =
  | (ModelAnswer & { readonly kind: 'answered'; readonly model: string; readonly settlement: Settlement })
  /** `retryDelayMs` is null when this target must not be called again. */
  | { readonly kind: 'failed'; readonly failure: CallFailure; readonly retryDelayMs: number | null };

/** The ledger's totals of a recorded turn. */
export interface TurnTotals {
  /** Calls that were made or may have been made. */
  readonly attempts: number;
  readonly promptTokens: number;
  /** Those of the prompt tokens that were cached. Absent in older histories. */
  readonly cachedPromptTokens?: number;
  /** Those that were written to a cache. Absent: none. */
  readonly cacheWriteTokens?: number;
  readonly completionTokens: number;
  readonly costNanoUsd: number;
  readonly unconfirmedNanoUsd: number;
  readonly latencyMs: number;
  readonly remainingNanoUsd: number;
}

/** What admission needs to know about a turn. */
export interface AdmitTurnInput extends Pick<
  RequestOptions,
  'maxTokens' | 'modelOptions' | 'delivery' | 'model' | 'fallbacks' | 'keyId' | 'trace' | 'operation'
> {
  /** The turn's name, from `turnName` or `oneShotTurnName`. */
  readonly turnId: string;
  readonly sessionId: string | null;
  readonly userId: string | null;
  readonly prompt: PromptMeasure;
  /** See `AdmitRequest`. Absent in older histories. */
  readonly firstRunId?: string;
}

/** Input of `openTurn`. */
export interface OpenTurnInput extends AdmitTurnInput, RequestOptions {
  readonly messages: readonly ChatMessage[];
  /** Its `startByMs` has passed, by Temporal's clock. */
  readonly comesTooLate?: boolean;
  /** The name of the turn of this session whose question this one asks again. */
  readonly asksAgain?: string;
}

type Admitted = Extract<Admission, { kind: 'admitted' }>;
export type Refused = Extract<Admission, { kind: 'refused' }>;

/** A turn that somebody stopped, recorded. */
export interface StoppedTurn {
  readonly kind: 'stopped';
  /** null: the turn was stopped before it was admitted. */
  readonly arm: string | null;
  readonly canary?: boolean;
  /** Whose call was broken off; null: none was made. */
  readonly target: string | null;
  /** What its readers were shown of the answer. */
  readonly content: string;
  readonly totals: TurnTotals;
}

/** How far a turn got in its first step. Most are answered and recorded; then only what the reply needs is kept. */
export type OpenedTurn =
  | Refused
  | (ModelAnswer & {
      readonly kind: 'answered';
      readonly arm: string;
      /** See `Admission`. */
      readonly canary?: boolean;
      readonly target: string;
      readonly model: string;
      /** Of the successful call; absent in older histories, like the fields of `ModelAnswer`. */
      readonly usage?: TokenUsage | null;
      readonly totals: TurnTotals;
    })
  | StoppedTurn
  /** `firstCall` is null when it was not made in this step: the target is slow, or the ledger failed in the meantime. */
  | { readonly kind: 'admitted'; readonly admission: Admitted; readonly firstCall: CallOutcome | null };

/** Input of both model-call activities. */
export interface ModelCallInput extends Pick<
  RequestOptions,
  'temperature' | 'maxTokens' | 'modelOptions' | 'keyId' | 'operation'
> {
  /** The name that the turn was admitted under. */
  readonly turnId: string;
  readonly arm: string;
  readonly target: PlannedTarget;
  readonly messages: readonly ChatMessage[];
  readonly prompt: PromptMeasure;
  readonly delivery?: Delivery;
  /** The reservation for this call; null when the activity has to make one. */
  readonly ticket: AttemptTicket | null;
  /** Calls of this target that were made before this activity was scheduled. */
  readonly earlierCalls: number;
  readonly deadlineAtMs: number;
  /** Of the turn's first call, if it is another. Absent in older histories. */
  readonly firstCallDeadlineAtMs?: number;
  /** See `Admission`. */
  readonly tags?: TurnTags;
}

export type AnsweredCall = Extract<CallOutcome, { kind: 'answered' }>;

/** Input of the `turnFeedback` workflow. */
export interface TurnFeedbackInput {
  readonly turnId: string;
  /** The session that the turn was sent to, or whose budget it was charged to; omitted: none. */
  readonly sessionId?: string;
  readonly signal: FeedbackSignal;
}

/** Input of the activity `recordFeedback`. */
export interface RecordFeedbackInput {
  /** The names that the turn may have; the first one that there is counts. */
  readonly turnNames: readonly string[];
  readonly signal: FeedbackSignal;
}

/** Input of the `turnStop` workflow, and of its activity: one turn under the names that it may have, or all but one of a session. */
export type StopInput =
  { readonly turnNames: readonly string[] } | { readonly sessionId: string; readonly exceptTurn: string };

/** Input of `recordStoppedTurn`. */
export interface RecordStoppedInput {
  /** The name that the turn was admitted under. */
  readonly turnId: string;
  readonly delivery?: Delivery;
  /** See `Admission`. */
  readonly tags?: TurnTags;
}

/** Input of `recordTurn`. */
export interface RecordTurnInput {
  /** The name that the turn was admitted under. */
  readonly turnId: string;
  /** Null when every target failed. */
  readonly answer:
    | (Pick<ModelAnswer, 'flags'> & {
        readonly target: string;
        readonly model: string;
        readonly settlement: Settlement;
        /** See `TurnRecord`. */
        readonly rescuedBy?: string;
      })
    | null;
  readonly error: string | null;
  /** See `Admission`. */
  readonly tags?: TurnTags;
}
