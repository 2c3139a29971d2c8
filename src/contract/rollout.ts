import type { Problem } from './problem';

/** A rollout: traffic moves from one arm to another, step by step, while the evidence holds. */

/** One step of the plan. A rollout begins with the first and ends at 100 %, which is not a step of its own. */
export interface RolloutStep {
  /** Share of users on the canary arm, 1 to 99. */
  readonly percent: number;
  /** When the step ends at the earliest, in milliseconds after the rollout's start. */
  readonly nominalEndMs: number;
  /** How long the step lasts at least, also when an earlier one was late. */
  readonly minimumBakeMs: number;
}

/** No step begins by itself within one of these. Milliseconds since 1970. */
export interface FreezeWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface RolloutGates {
  /** Bound of the probability that a canary whose true success rate is `minimumSuccessRate` or less ever advances. */
  readonly alpha: number;
  /** Bound of the probability of each false alarm: breach, worse than the baseline, slower, wrong share of users. */
  readonly beta: number;
  /** A canary at this true success rate or below must not advance. The migration guide's 0.99. */
  readonly minimumSuccessRate: number;
  /** The success rate that evidence for advancing is measured against. The migration guide's 0.3 % timeouts: 0.997. */
  readonly expectedSuccessRate: number;
  /** The success rate that evidence for a breach is measured against. */
  readonly breachSuccessRate: number;
  /** Canary requests that every step needs. */
  readonly minimumStepRequests: number;
  /** Requests of one user that count in one bake: one user's requests resemble each other. */
  readonly maxRequestsPerUser: number;
  /** Evidence whose newest canary request is older than this is no evidence. Milliseconds. */
  readonly freshnessMs: number;
  /** The canary's p95 latency may be this many percent of the baseline's; null: no such guard. */
  readonly maxLatencyPercent: number | null;
  /** The canary's cost per successful turn may be this many percent of the baseline's; null: no such guard. */
  readonly maxCostPercent: number | null;
  /** The canary's cost per successful turn may be this, whatever the baseline's is; null: no such guard. */
  readonly maxCostNanoUsdPerSuccess: number | null;
}

/** What is to happen, from the first step to the end. */
export interface RolloutSpec {
  /** Unique for all time; part of the workflow's id. */
  readonly name: string;
  /** Where traffic is before the rollout: `legacy`. */
  readonly baselineArm: string;
  /** Where it is to go: `holysheep`. */
  readonly canaryArm: string;
  /** In ascending order of percent and of nominal end. */
  readonly steps: readonly RolloutStep[];
  /** Time from one analysis to the next. Milliseconds. */
  readonly intervalMs: number;
  /** How long the rollout can be rolled back after it reached 100 %. Milliseconds. */
  readonly warmMs: number;
  readonly gates: RolloutGates;
  readonly freezeWindows: readonly FreezeWindow[];
  /** Begin even though traffic is not at the baseline arm now, or an ended workflow left its rollout unfinished. */
  readonly takeOver: boolean;
  /** Who started it. */
  readonly actor: string;
}

/** Input of the `canaryRollout` workflow. */
export interface CanaryRolloutInput {
  readonly spec: RolloutSpec;
  /** Carried across continue-as-new; callers leave it out. */
  readonly carried?: CarriedRollout;
}

interface CarriedRollout {
  readonly state: RolloutState;
  readonly lastAnalysis: RolloutAnalysis | null;
}

/** What one arm did in one bake. A request is the first call of a turn; retries and fallbacks do not rescue it. */
export interface ArmEvidence {
  /** Turns admitted, whatever became of them. */
  readonly turns: number;
  readonly users: number;
  /** First calls that ended, no more than `maxRequestsPerUser` of any user. */
  readonly successes: number;
  readonly failures: number;
  /** First calls that were answered or timed out, a timeout at its full length. Null without any. */
  readonly latencyMeanMs: number | null;
  readonly latencyP95Ms: number | null;
  /** Turns that were answered, by whichever target. */
  readonly successfulTurns: number;
  /** All calls of the arm's turns, unconfirmed ones included. */
  readonly costNanoUsd: number;
}

/** What an analysis looks at, read from the ledger at `atMs`. */
export interface Evidence {
  readonly atMs: number;
  /** The bake it was read for. */
  readonly bake: number;
  /** Canary requests of all bakes of the rollout. */
  readonly canarySuccesses: number;
  readonly canaryFailures: number;
  /** In this bake. */
  readonly baseline: ArmEvidence;
  readonly canary: ArmEvidence;
  /** Calls that `latencyMeanMs` and `latencyP95Ms` of the canary are made of, and those slower than `maxLatencyPercent` of the baseline's p95. */
  readonly canaryTimedCalls: number;
  readonly canarySlowCalls: number;
  /** When the newest canary request of this bake ended; null without any. */
  readonly newestCanaryAtMs: number | null;
}

export type RolloutPhase =
  | 'Progressing'
  /** By an operator: nothing advances, a breach still rolls back. */
  | 'Paused'
  /** By the evidence: nothing advances until an operator decides. */
  | 'Held'
  /** At 100 %, the baseline kept warm for a rollback. */
  | 'Promoting'
  | 'Succeeded'
  | 'RolledBack';

/** A step that was reached, for the list of steps. */
interface ReachedStep {
  readonly percent: number;
  readonly startedAtMs: number;
  readonly because: string;
}

/** All that a rollout remembers; what follows from it, the spec, evidence or a command, and the time is its next state. */
export interface RolloutState {
  readonly phase: RolloutPhase;
  /** One line for people: why the phase is what it is. */
  readonly message: string;
  /** Index into the spec's steps; their number when the canary has 100 %. */
  readonly step: number;
  /** What the split is set to. */
  readonly percent: number;
  /**
   * A bake is a stretch of time under one split, in which evidence is gathered, counted from 1: each step begins one,
   * and so does an operator who resumes a held rollout.
   */
  readonly bake: number;
  readonly bakeStartedAtMs: number;
  readonly startedAtMs: number;
  /** The step began then; a bake that an operator resumed does not lengthen it. */
  readonly stepStartedAtMs: number;
  /** Null while it has not ended. */
  readonly endedAtMs: number | null;
  readonly reached: readonly ReachedStep[];
  /** Of the most recent audit row. */
  readonly sequence: number;
}

export type RolloutCommandName = 'promote' | 'pause' | 'resume' | 'rollback';

/** What an operator sends, as signal or as update. */
export interface RolloutCommandInput {
  readonly actor?: string;
  readonly reason?: string;
  /** promote: skip the remaining steps. */
  readonly full?: boolean;
  /** promote: although the evidence does not say so. Needs a reason. */
  readonly force?: boolean;
  /** The percent that the operator saw: the command is refused when the rollout has moved on since. Not so a pause or a rollback. */
  readonly seenPercent?: number;
}

export interface RolloutCommand extends RolloutCommandInput {
  readonly name: RolloutCommandName;
  readonly actor: string;
  /** What is wrong with the form of a signal, which cannot be turned away; everything but a rollback is refused for it. */
  readonly problem?: string;
}

export type RolloutAction =
  | 'start'
  /** To the next step; to 100 % after the last, or at once when an operator says `full`. */
  | 'advance'
  | 'roll-back'
  /** Stop advancing and tell. */
  | 'hold'
  | 'wait'
  | 'pause'
  | 'resume'
  /** A command that changes nothing, with the reason why. */
  | 'refuse'
  /** The warm time is over. */
  | 'finish';

/** What a decision comes to. Follows from spec, state and occasion alone, so that anyone can compute it again. */
export interface RolloutDecision {
  readonly action: RolloutAction;
  /** A sentence or two with the numbers in it. */
  readonly reason: string;
  /** What is missing for the next step, each as a sentence; empty when nothing is. */
  readonly missing: readonly string[];
  readonly next: RolloutState;
}

/** What a decision is taken on: evidence, or its absence; and the command, if one caused it. */
export interface RolloutOccasion {
  readonly atMs: number;
  /** Null when it could not be read, or was not needed. */
  readonly evidence: Evidence | null;
  readonly command: RolloutCommand | null;
}

/** Input of `recordRollout`: one audit row and the split that it sets, written in one transaction. */
export interface RolloutEntry extends RolloutOccasion {
  readonly spec: RolloutSpec;
  readonly decision: RolloutDecision;
}

export type RecordedRollout =
  | { readonly kind: 'recorded' }
  /** The rollout cannot begin: `field` of the spec and why, in a sentence; an older worker says no more. */
  | { readonly kind: 'refused'; readonly field: string; readonly problem: string; readonly refusal?: Problem };

/** Answer of an operator's update. */
export interface RolloutAnswer {
  readonly accepted: boolean;
  readonly reason: string;
  readonly state: RolloutState;
}

export interface RolloutAnalysis {
  readonly atMs: number;
  /** Null when it could not be read. */
  readonly evidence: Evidence | null;
  readonly action: RolloutAction;
  readonly reason: string;
  readonly missing: readonly string[];
}

/** Answer of the `status` query. */
export interface RolloutStatus {
  readonly spec: RolloutSpec;
  readonly state: RolloutState;
  /** Null before the first. */
  readonly lastAnalysis: RolloutAnalysis | null;
  /** The next analysis; null when it has ended. Milliseconds since 1970. */
  readonly nextAnalysisAtMs: number | null;
}

/** Result of the `canaryRollout` workflow. */
export interface RolloutResult {
  readonly phase: 'Succeeded' | 'RolledBack';
  readonly reason: string;
  readonly reached: readonly ReachedStep[];
}

/** Which arm turns go to while a rollout says so: one row of the ledger. */
export interface TrafficSplit {
  readonly rollout: string;
  readonly baselineArm: string;
  readonly canaryArm: string;
  /** 0 after a rollback, 100 after the last step; it stays so when the rollout has ended. */
  readonly percent: number;
  readonly bake: number;
  /** False once the rollout has ended. */
  readonly active: boolean;
}
