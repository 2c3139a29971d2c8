/** The resolved configuration that decides how turns are routed, called, retried and paid. Holds no secrets. */

/** Prices in nano-dollars per 1,000,000 tokens: $0.42 is 420,000,000. */
export interface ModelPrice {
  readonly inputNanoUsdPerMillion: number;
  readonly outputNanoUsdPerMillion: number;
  readonly cachedInputNanoUsdPerMillion: number;
  /** `cjkMultiplier` in percent, what CJK text costs against other text: 100 is the same, 300 is the migration guide's legacy provider. */
  readonly cjkMultiplierPercent: number;
}

type FirstAttempt = 'auto' | 'local' | 'regular';

/** One model of one provider, in its role within an arm. */
export interface Target {
  /** The name on the reply: `holysheep-primary`. */
  readonly name: string;
  readonly provider: string;
  readonly model: string;
  readonly price: ModelPrice;
  /** The most tokens that one answer can have, thoughts included: a provider that claims more is not believed. */
  readonly maxOutputTokens: number;
  /** Where attempt 0 runs: `local` in the workflow task, `regular` as an activity, `auto` by how long the target usually takes. */
  readonly firstAttempt: FirstAttempt;
  /** What the target usually takes, in milliseconds, before any call was measured. */
  readonly usualLatencyMs: number;
  /** Whether it can answer as a stream. Without it, every turn gets its answer whole. */
  readonly streaming: boolean;
  /** Whether it may be asked to go on from an answer that another call began. */
  readonly continues: boolean;
  readonly stream: StreamLimits;
}

/** One side of a migration: a chain of targets, tried in order. */
export interface Arm {
  readonly name: string;
  readonly targets: readonly Target[];
}

export interface RetryPolicy {
  readonly maxAttemptsPerTarget: number;
  /** Attempt n, from 0, may take `baseTimeoutMs × 2^n + 0…timeoutJitterMs`. */
  readonly baseTimeoutMs: number;
  readonly timeoutJitterMs: number;
  /** Before attempt n + 1: `baseDelayMs × 2^n`, with `0…delayJitterMs` on top after 429 and 5xx. */
  readonly baseDelayMs: number;
  readonly delayJitterMs: number;
  /** A target that asks for a longer wait than this is left for the next one. */
  readonly maxRetryAfterMs: number;
  /** After a timeout without one byte: ask the same target again, or go to the next. */
  readonly afterSilence: 'retry' | 'next-target';
  /** The whole turn, over all targets. */
  readonly turnDeadlineMs: number;
}

/** Limits of a streamed call, in milliseconds. None waits for the whole answer, which may take its time while it comes. */
export interface StreamLimits {
  /** From sending to the headers of the response: a silent target is found out by this. */
  readonly firstByteMs: number;
  /** From sending to the first token. */
  readonly firstTokenMs: number;
  /** From one token to the next. */
  readonly idleMs: number;
  /** The whole call. */
  readonly totalMs: number;
}

/** When a target that fails is left alone for a while. Each worker counts for itself. */
export interface BreakerPolicy {
  /** Failures in a row after which the target is not asked any more. */
  readonly failures: number;
  /** After this, one call may try it; its answer brings the target back, its failure begins the wait anew. */
  readonly halfOpenAfterMs: number;
}

interface Budgets {
  readonly sessionNanoUsd: number;
  readonly dayNanoUsd: number;
  readonly maxCompletionTokens: number;
}

export interface Policy {
  readonly arms: Readonly<Record<string, Arm>>;
  /** The arm of every turn while no rollout says otherwise. */
  readonly defaultArm: string;
  /** Users who stay on one arm whatever a rollout says, by user id. */
  readonly pinnedArms: ReadonlyMap<string, string>;
  readonly retry: RetryPolicy;
  readonly breaker: BreakerPolicy;
  readonly budgets: Budgets;
  readonly defaults: { readonly temperature: number; readonly maxTokens: number };
}
