/**
 * The evidence of rollouts under rule 2, which counts users: requests of one user resemble each other. A user is the turn's
 * user id, else its session, else the turn itself.
 *
 * A user's exposure to an arm lasts for `userWindowMs` from the first counted turn: for the evidence to advance (E), from
 * the first one in the rollout's canary arm; for every other measure, from the first one in the bake. At most
 * `maxRequestsPerUser` first calls of it count. The user is closed once the exposure and `longestCallMs` are over; later
 * outcomes no longer count.
 */

/** What can be wrong with an answer, computed by the worker: labels, never text. */
export const answerFlags = [
  'empty',
  'truncated',
  'refused',
  'wrong-language',
  'invalid-json',
  'invalid-tool-call',
  'repetitive',
  /** The user asked nearly the same again within 5 minutes; on the turn that was asked again. */
  'asked-again',
] as const;
export type AnswerFlag = (typeof answerFlags)[number];

/** What users, or those who serve them, say about an answer. */
export const feedbackSignals = ['up', 'down', 'handoff', 'resolved'] as const;
export type FeedbackSignal = (typeof feedbackSignals)[number];

/** The language label of text whose script says too little, or that has too few letters. */
export const unknownLanguage = 'und';

/** How long and how often a user counts; part of a rollout's spec, and fixed for its duration. */
export interface Exposure {
  readonly userWindowMs: number;
  readonly longestCallMs: number;
  readonly maxRequestsPerUser: number;
}

/**
 * Counts over the users of one arm in one bake. A user counts at once, unless said otherwise, and once per measure.
 * Users and turns within an excluded window count for nothing.
 */
export interface UserTally {
  /** Users with an admitted turn in the bake. */
  readonly users: number;
  /** Users whose first counted call was answered or failed by a fault of the arm; and those of them with a fault (D). */
  readonly firstCalls: number;
  readonly firstCallFaults: number;
  /** Users with at least one fault of the arm. */
  readonly faultyUsers: number;
  /** Users with at least one failure that the caller caused or may have caused; see `resultOf`. */
  readonly declinedUsers: number;
  /**
   * Users with a timed first call (answered or timed out); and those of them slower than the bake's frozen limit, none if there
   * is no limit.
   */
  readonly timedUsers: number;
  readonly slowUsers: number;
  /** The same for the time to the first token of a streamed call. */
  readonly spokenUsers: number;
  readonly slowToSpeakUsers: number;
  /** Users whose first turn was answered; and those whose answer carries a flag. A flag without users is absent. */
  readonly answeredUsers: number;
  readonly flaggedUsers: Readonly<Partial<Record<AnswerFlag, number>>>;
  /** Users with at least one `down` or `handoff`. */
  readonly unhappyUsers: number;
  /** The latest signal of each turn. */
  readonly feedback: Readonly<Partial<Record<FeedbackSignal, number>>>;
  /** Over closed users: cost c in micro-dollars and successful turns s. */
  readonly cost: CostSums;
  /** First calls that count, whatever the user. */
  readonly successes: number;
  readonly faults: number;
  readonly declined: number;
  /** Turns admitted; and those answered by one of the arm's targets. */
  readonly turns: number;
  readonly successfulTurns: number;
  /** All calls of the arm's targets for these turns, including unconfirmed ones. */
  readonly costNanoUsd: number;
  /**
   * First timed calls of users by latency: [upper bound in ms, users], ascending; bounds are exact up to 63, then up to 3%
   * above. A call is slow if its bound is above the limit. Empty in the tallies of languages.
   */
  readonly latencies: readonly (readonly [ms: number, users: number])[];
  /** The same for the first token. */
  readonly firstTokens: readonly (readonly [ms: number, users: number])[];
}

export interface CostSums {
  readonly users: number;
  readonly c: number;
  readonly s: number;
  readonly cc: number;
  readonly ss: number;
  readonly cs: number;
}

/**
 * Closed canary users of the whole rollout by their counted calls (answered, failed by a fault, or not made because the
 * circuit was open) and their failed ones.
 */
export interface ClosedUsers {
  readonly calls: number;
  readonly failed: number;
  readonly users: number;
}

/** Latency limits of a bake, frozen when it begins: the baseline's p95 of the bake before, or of the day before the start. */
export interface FrozenLimits {
  /** Null: too little data to say. */
  readonly callMs: number | null;
  readonly firstTokenMs: number | null;
}

/** The input of an analysis under rule 2, read from the ledger. */
export interface UserEvidence {
  readonly rule: 2;
  /** By the database's clock, like all times here. Milliseconds since 1970. */
  readonly atMs: number;
  readonly bake: number;
  readonly closed: readonly ClosedUsers[];
  readonly baseline: UserTally;
  readonly canary: UserTally;
  /** By the user's language at first exposure, most users first. The sums over languages are the tallies above. */
  readonly languages: readonly LanguageTally[];
  readonly limits: FrozenLimits;
  /** The canary's share in the split that it was collected under, if that is not the rollout's own: in a replay. */
  readonly percent?: number;
  /** When the newest canary call of this bake ended; null if none has. */
  readonly newestCanaryAtMs: number | null;
  /** The API key with the most canary users of this bake; absent without keys. */
  readonly canaryLargestKey?: { readonly keyId: string; readonly users: number };
  /**
   * The API keys with the most canary users of this bake who met a fault, and whose first call failed: one or two keys. Absent
   * without any, in older evidence, and for workers that decide without them.
   */
  readonly canaryFaultiestKeys?: readonly KeyFaults[];
  /** How many canary turns of this bake the user with the most has; from 64 on, up to 3% too many. Absent without turns. */
  readonly canaryLargestUserTurns?: number;
}

/** What decides whether a rollout is rolled back; see `UserTally`. */
export type FaultTally = Pick<UserTally, 'users' | 'firstCalls' | 'firstCallFaults' | 'faultyUsers'>;

/** The users of a bake whose first turn came with one API key. */
export interface KeyFaults {
  readonly keyId: string;
  readonly baseline: FaultTally;
  readonly canary: FaultTally;
}

export interface LanguageTally {
  readonly language: string;
  readonly baseline: UserTally;
  readonly canary: UserTally;
}

/**
 * What an operator excludes: users who were exposed and not yet closed at any time in it count for nothing, with all their
 * turns of the bake. Milliseconds since 1970.
 */
export interface ExcludedWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Which users of a bake to count. Their exposure was fixed when they were admitted. */
export interface UserEvidenceRequest {
  readonly rollout: string;
  readonly bake: number;
  readonly baselineArm: string;
  readonly canaryArm: string;
  readonly limits: FrozenLimits;
  readonly maxLatencyPercent: number | null;
  readonly excluded: readonly ExcludedWindow[];
  /** true: with `canaryFaultiestKeys`. Only who decides by them asks for them, so that a recorded decision can be recomputed. */
  readonly withFaultiestKeys?: boolean;
  /** As in `AdmitRequest`. */
  readonly atMs?: number;
}
