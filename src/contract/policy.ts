/** The resolved configuration of routing, calls, retries and budgets. Contains no secrets. */
import type { OfferedModel } from './operations';

/** Prices in nano-dollars per 1,000,000 tokens: $0.42 is 420,000,000. */
export interface ModelPrice {
  readonly inputNanoUsdPerMillion: number;
  readonly outputNanoUsdPerMillion: number;
  readonly cachedInputNanoUsdPerMillion: number;
  /** Of prompt tokens that are written to a cache. Absent: as other input. */
  readonly cacheWriteNanoUsdPerMillion?: number;
  /** `cjkMultiplier` in percent, the price of CJK text relative to other text: 100 is the same; the migration guide's legacy provider has 300. */
  readonly cjkMultiplierPercent: number;
}

/** How a target takes a request: what is left out or said otherwise than OpenAI's description of a request has it. */
export interface RequestRules {
  /** Fields that the target refuses. */
  readonly omit: readonly string[];
  /** Fields that it takes under another name: `max_tokens` as `max_completion_tokens`. */
  readonly rename: Readonly<Record<string, string>>;
  /** Fields that it refuses beside each other: only the first that a request has is sent. */
  readonly exclusive: readonly (readonly string[])[];
  /** The role that it gets messages of the role `developer` in. */
  readonly developer: 'developer' | 'system';
}

type FirstAttempt = 'auto' | 'local' | 'regular';

/** One model of one provider, in its role within an arm. */
export interface Target {
  /** The name on the reply: `holysheep-primary`. */
  readonly name: string;
  readonly provider: string;
  readonly model: string;
  readonly price: ModelPrice;
  /** The most tokens that one answer can have, reasoning included. A provider that reports more is not believed. */
  readonly maxOutputTokens: number;
  /** The most prompt tokens that one picture can take. */
  readonly maxImageTokens: number;
  /**
   * The most prompt tokens that the provider adds to a request with tools or an answer's format: instructions of its own, which
   * it charges for. Absent: none.
   */
  readonly hiddenPromptTokens?: number;
  /** The most tokens that it can think beyond the completion tokens that a call requests. They are reserved, too. */
  readonly maxThinkingTokens: number;
  /**
   * Those that are reserved instead when a request asks it to think without a number; what a request names counts, too. null:
   * what a request asks for changes nothing.
   */
  readonly askedThinkingTokens: number | null;
  readonly requestRules: RequestRules;
  /** Where attempt 0 runs: `local` inside the workflow task, `regular` as an activity, `auto` depending on the target's usual latency. */
  readonly firstAttempt: FirstAttempt;
  /** The assumed latency until enough calls have been measured, in milliseconds. */
  readonly usualLatencyMs: number;
  /** Whether the target can stream. If not, every turn gets its answer in one piece. */
  readonly streaming: boolean;
  /** Whether it may be asked to continue an answer that an earlier call started. */
  readonly continues: boolean;
  readonly stream: StreamLimits;
  /** Absent: it is alone. Else it shares its name, and its place in the chain, with the other members. */
  readonly pool?: PoolMember;
}

/** One of several keys, regions or deployments that serve the same model. */
export interface PoolMember {
  /** The model's name for callers; a member may know it under another. */
  readonly model: string;
  /** Its share of the turns, relative to the weights of the others. */
  readonly weight: number;
  /** How long it gets no calls after a failure, unless the provider says how long. */
  readonly cooldownMs: number;
}

/** A chain of targets, tried in order: one side of a migration, or a model that is offered by the chain's name. */
export interface Arm {
  readonly name: string;
  readonly targets: readonly Target[];
}

export interface RetryPolicy {
  readonly maxAttemptsPerTarget: number;
  /** The timeout of attempt n, from 0, is `baseTimeoutMs × 2^n + 0…timeoutJitterMs`. */
  readonly baseTimeoutMs: number;
  readonly timeoutJitterMs: number;
  /** The backoff before attempt n + 1 is `baseDelayMs × 2^n`, plus `0…delayJitterMs` after 429 and 5xx. */
  readonly baseDelayMs: number;
  readonly delayJitterMs: number;
  /** If a target asks for a longer wait, the turn moves on to the next target. */
  readonly maxRetryAfterMs: number;
  /** After a timeout without a single byte: retry the same target, or move on to the next. */
  readonly afterSilence: 'retry' | 'next-target';
  /** For the whole turn, across all targets. */
  readonly turnDeadlineMs: number;
  /** A worker's retries of each provider: this share of its answered calls, in percent, … */
  readonly budgetPercent: number;
  /** … plus this many per second. */
  readonly budgetPerSecond: number;
}

/** Timeouts of a streamed call, in milliseconds. A long answer may take up to `totalMs` as long as tokens keep coming. */
export interface StreamLimits {
  /** From sending the request to the response headers: detects a target that does not respond. */
  readonly firstByteMs: number;
  /** From sending the request to the first token. */
  readonly firstTokenMs: number;
  /** From one token to the next. */
  readonly idleMs: number;
  /** The whole call. */
  readonly totalMs: number;
}

/** The circuit breaker of each target. Every worker has its own. */
export interface BreakerPolicy {
  /** Consecutive failures after which the circuit opens and the target is not called. */
  readonly failures: number;
  /**
   * After this long, one trial call is let through: success closes the circuit, failure restarts the wait. While all circuits
   * of a chain are open, each of its targets gets a trial call every second.
   */
  readonly halfOpenAfterMs: number;
}

interface Budgets {
  readonly sessionNanoUsd: number;
  readonly dayNanoUsd: number;
  readonly maxCompletionTokens: number;
}

export interface Policy {
  readonly arms: Readonly<Record<string, Arm>>;
  /** Embeddings and moderations, by `armOfOperation`. Absent: none are offered. */
  readonly offeredModels?: Readonly<Record<string, OfferedModel>>;
  /** Chains that requests name as their model. No rollout moves them; their names are no arm's. */
  readonly chains: Readonly<Record<string, Arm>>;
  /** The arm of every turn unless a rollout says otherwise. */
  readonly defaultArm: string;
  /** Users pinned to an arm regardless of any rollout, by user id. */
  readonly pinnedArms: ReadonlyMap<string, string>;
  readonly retry: RetryPolicy;
  readonly breaker: BreakerPolicy;
  readonly budgets: Budgets;
  /** Without a temperature, none is sent for a request that has none. */
  readonly defaults: { readonly temperature?: number; readonly maxTokens: number };
}
