import type { Problem } from './problem';
import type { ExcludedWindow, Exposure, FrozenLimits, UserEvidence } from './user-evidence';

/** A rollout moves traffic from one arm to another, step by step, as long as the evidence supports it. */

/** One step of the plan. A rollout starts with the first step and ends at 100 %, which is not a step of its own. */
export interface RolloutStep {
  /** Share of users on the canary arm, 1 to 99. */
  readonly percent: number;
  /** The earliest end of the step, in milliseconds after the rollout's start. */
  readonly nominalEndMs: number;
  /** The minimum duration of the step, even if an earlier step ended late. */
  readonly minimumBakeMs: number;
  /** Rule 2: minimum number of canary users in the step. Absent: `minimumStepRequests`. */
  readonly minimumUsers?: number;
}

/** No step starts automatically within a freeze window. Milliseconds since 1970. */
interface FreezeWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface RolloutGates {
  /** Upper bound on the probability that a canary whose true success rate is `minimumSuccessRate` or less ever advances. */
  readonly alpha: number;
  /** Upper bound on the probability of each false alarm: breach, worse than the baseline, slower, wrong share of users. */
  readonly beta: number;
  /** A canary at this true success rate or below must not advance. The migration guide's 0.99. */
  readonly minimumSuccessRate: number;
  /** The success rate that evidence for advancing is measured against. The migration guide's 0.3 % timeouts: 0.997. */
  readonly expectedSuccessRate: number;
  /** The success rate that evidence for a breach is measured against. */
  readonly breachSuccessRate: number;
  /** Minimum number of canary requests in every step. */
  readonly minimumStepRequests: number;
  /** How many requests of one user count in one bake: requests of the same user are correlated. */
  readonly maxRequestsPerUser: number;
  /** Evidence whose newest canary request is older than this is stale and ignored. Milliseconds. */
  readonly freshnessMs: number;
  /** Upper limit of the canary's p95 latency, in percent of the baseline's; null: no such guard. */
  readonly maxLatencyPercent: number | null;
  /** Upper limit of the canary's cost per successful turn, in percent of the baseline's; null: no such guard. */
  readonly maxCostPercent: number | null;
  /** Upper limit of the canary's cost per successful turn, regardless of the baseline's; null: no such guard. */
  readonly maxCostNanoUsdPerSuccess: number | null;
  /** Rule 2: how long a user's calls count, from the first one on. Absent: 1 hour. */
  readonly userWindowMs?: number;
  /** Rule 2: a user's calls are complete this long after the window; the longest that a turn takes. Absent: 10 minutes. */
  readonly longestCallMs?: number;
  /** Rule 2: guards that only report what they find. Absent: `act`, they hold the rollout. */
  readonly guards?: Readonly<Partial<Record<RolloutGuard, GuardMode>>>;
}

export const rolloutGuards = ['declined', 'latency', 'firstToken', 'flags', 'feedback', 'cost', 'wrongShare'] as const;
export type RolloutGuard = (typeof rolloutGuards)[number];
export const guardModes = ['act', 'report'] as const;
type GuardMode = (typeof guardModes)[number];

/** The complete plan of a rollout. */
export interface RolloutSpec {
  /** Unique for all time; part of the workflow's id. */
  readonly name: string;
  /** The arm that has the traffic before the rollout: `legacy`. */
  readonly baselineArm: string;
  /** The arm to move it to: `holysheep`. */
  readonly canaryArm: string;
  /** In ascending order of both percent and nominal end. */
  readonly steps: readonly RolloutStep[];
  /** Time between analyses. Milliseconds. */
  readonly intervalMs: number;
  /** How long the rollout can still be rolled back after reaching 100 %. Milliseconds. */
  readonly warmMs: number;
  readonly gates: RolloutGates;
  readonly freezeWindows: readonly FreezeWindow[];
  /** Start even if traffic is not at the baseline arm, or an earlier rollout's workflow ended without finishing it. */
  readonly takeOver: boolean;
  /** Who started it. */
  readonly actor: string;
  /** The rule that decides: 2 counts users. Absent: rule 1, which counts requests. Only rule 2 has the fields that follow. */
  readonly rule?: 2;
  /** Languages that count by themselves, like `zh`: trouble in one of them holds the rollout. At most 20. */
  readonly languages?: readonly string[];
  /** Share of users that stays on the baseline while the canary is warm at "100 %", to compare with. 0 to 5; absent: 0. */
  readonly holdbackPercent?: number;
  /** The canary's chain of targets ends with the baseline's while the rollout is under way. Absent: true. */
  readonly rescue?: boolean;
  /** Makes this rollout's order of users its own. Absent: all rollouts begin with the same users. */
  readonly salt?: string;
}

/** Input of a rollout's workflow. */
export interface CanaryRolloutInput {
  readonly spec: RolloutSpec;
  /** What an earlier run or workflow of the rollout left: its state, from continue-as-new or from the ledger. */
  readonly carried?: CarriedRollout;
  /**
   * It is refused if no worker takes it within this time, by Temporal's clock: nobody would be watching. Milliseconds. Absent:
   * no limit.
   */
  readonly startWithinMs?: number;
}

interface CarriedRollout {
  readonly state: RolloutState;
  readonly lastAnalysis: RolloutAnalysis | null;
  /** Commands that wait to be carried out, oldest first. */
  readonly waiting?: readonly RolloutCommand[];
}

/** One arm's results in one bake. A request is the first call of a turn: if it fails, a successful retry or fallback does not change that. */
export interface ArmEvidence {
  /** Turns admitted, whatever their outcome. */
  readonly turns: number;
  readonly users: number;
  /** First calls that ended, at most `maxRequestsPerUser` per user. */
  readonly successes: number;
  readonly failures: number;
  /** Over first calls that were answered or timed out; a timeout counts at its full length. Null if there are none. */
  readonly latencyMeanMs: number | null;
  readonly latencyP95Ms: number | null;
  /** Turns that were answered, by any target. */
  readonly successfulTurns: number;
  /** All calls of the arm's turns, including unconfirmed ones. */
  readonly costNanoUsd: number;
}

/** The input of an analysis, read from the ledger at `atMs`. */
export interface Evidence {
  readonly atMs: number;
  /** The bake it was read for. */
  readonly bake: number;
  /** Canary requests over all bakes of the rollout. */
  readonly canarySuccesses: number;
  readonly canaryFailures: number;
  /** In this bake. */
  readonly baseline: ArmEvidence;
  readonly canary: ArmEvidence;
  /** The canary's calls with a measured latency, and how many of them took longer than `maxLatencyPercent` of the baseline's p95. */
  readonly canaryTimedCalls: number;
  readonly canarySlowCalls: number;
  /** When the newest canary request of this bake ended; null if there is none. */
  readonly newestCanaryAtMs: number | null;
  /** The API key with the most counted canary requests of this bake. Absent if no request had a key, and in older evidence. */
  readonly canaryLargestKey?: { readonly keyId: string; readonly requests: number };
}

export type RolloutPhase =
  | 'Progressing'
  /** Paused by an operator: it does not advance, but a breach still rolls it back. */
  | 'Paused'
  /** Held because of the evidence: it does not advance until an operator decides. */
  | 'Held'
  /** At 100 %, with the baseline kept warm for a rollback. */
  | 'Promoting'
  | 'Succeeded'
  | 'RolledBack';

/** A change of the split, for the list of steps. */
interface ReachedStep {
  readonly percent: number;
  readonly startedAtMs: number;
  readonly because: string;
}

/** The whole state of a rollout. The next state follows from this, the spec, the time, and evidence or a command. */
export interface RolloutState {
  readonly phase: RolloutPhase;
  /** One line for operators: the reason for the current phase. */
  readonly message: string;
  /** Index into the spec's steps; equal to their number when the canary has 100 %. */
  readonly step: number;
  /** The canary's share in the current split. */
  readonly percent: number;
  /**
   * A bake is a period of constant split in which evidence is collected, numbered from 1. Every step starts a new one,
   * and so does resuming a held rollout.
   */
  readonly bake: number;
  readonly bakeStartedAtMs: number;
  readonly startedAtMs: number;
  /** When the step started; starting a new bake by resuming does not extend the step. */
  readonly stepStartedAtMs: number;
  /** Null until it has ended. */
  readonly endedAtMs: number | null;
  readonly reached: readonly ReachedStep[];
  /** Sequence number of the most recent audit row. */
  readonly sequence: number;
  /** Absent under rule 1. */
  readonly byUsers?: StateByUsers;
}

/** What the state has in addition under rule 2. */
export interface StateByUsers {
  readonly rule: 2;
  /** Latency limits of this bake. */
  readonly limits: FrozenLimits;
  readonly excluded: readonly ExcludedWindow[];
  /** How long the rollout was paused or held; the plan's deadline moves by as much. Milliseconds. */
  readonly stoppedMs: number;
  /** Since when it is paused or held; null while it is neither. */
  readonly stoppedAtMs: number | null;
  /** Analyses in a row whose evidence could not be read. */
  readonly unreadAnalyses: number;
}

export type RolloutCommandName = 'promote' | 'pause' | 'resume' | 'rollback' | 'exclude';

/** An operator's command, sent as a signal or as an update. */
export interface RolloutCommandInput {
  readonly actor?: string;
  readonly reason?: string;
  /** promote: skip the remaining steps. */
  readonly full?: boolean;
  /** promote: override the evidence. Requires a reason. */
  readonly force?: boolean;
  /** The percent that the operator saw. If the rollout has moved on since, the command is refused, unless it is a pause or a rollback. */
  readonly seenPercent?: number;
  /** exclude: users whose exposure overlaps this time count for nothing. Milliseconds since 1970. */
  readonly fromMs?: number;
  readonly toMs?: number;
}

export interface RolloutCommand extends RolloutCommandInput {
  readonly name: RolloutCommandName;
  readonly actor: string;
  /** What is invalid about a signal. Signals cannot be rejected on arrival, so an invalid command other than a rollback is refused when it is carried out. */
  readonly problem?: string;
}

export type RolloutAction =
  | 'start'
  /** Go to the next step, or to 100 % after the last step or when an operator sets `full`. */
  | 'advance'
  | 'roll-back'
  /** Stop advancing and wait for an operator. */
  | 'hold'
  | 'wait'
  | 'pause'
  | 'resume'
  /** A time no longer counts as evidence. */
  | 'exclude'
  /** A command was refused and changes nothing. */
  | 'refuse'
  /** The warm time is over. */
  | 'finish';

/** A decision. It follows from spec, state and occasion alone, so that anyone can recompute it. */
export interface RolloutDecision {
  readonly action: RolloutAction;
  /** One or two sentences, including the numbers. */
  readonly reason: string;
  /** What is still missing for the next step, one sentence each; empty if nothing is. */
  readonly missing: readonly string[];
  readonly next: RolloutState;
}

/** What a decision is based on: the evidence, if there is any, and the command, if one triggered it. */
export interface RolloutOccasion {
  readonly atMs: number;
  /** Null when it could not be read or was not needed. */
  readonly evidence: AnyEvidence | null;
  readonly command: RolloutCommand | null;
  /** The latency limits of the first bake, when a rollout starts under rule 2. */
  readonly limits?: FrozenLimits;
}

/** As the rollout's rule counts: requests under rule 1, users under rule 2. */
export type AnyEvidence = Evidence | UserEvidence;

/** Input of `recordRollout`: one audit row and the split that it sets, written in one transaction. */
export interface RolloutEntry extends RolloutOccasion {
  readonly spec: RolloutSpec;
  readonly decision: RolloutDecision;
}

/** The end of the audit trail, or another row of it: its hash covers all rows before it. */
export interface AuditHead {
  /** From 1, over all rollouts of the ledger. */
  readonly position: number;
  readonly hash: string;
}

export type RecordedRollout =
  /**
   * `row` is kept in the workflow's history, which writing to the ledger cannot change. `decision` is what the row says:
   * the workflow enters it, also when a newer version would decide differently by now. An older worker sends neither.
   */
  | { readonly kind: 'recorded'; readonly row?: AuditHead; readonly decision?: RolloutDecision }
  /** The rollout cannot start: which `field` of the spec is the reason, and why. An older worker sends no `refusal`. */
  | { readonly kind: 'refused'; readonly field: string; readonly problem: string; readonly refusal?: Problem };

/** Result of an operator's update. */
export interface RolloutAnswer {
  readonly accepted: boolean;
  readonly reason: string;
  readonly state: RolloutState;
}

export interface RolloutAnalysis {
  readonly atMs: number;
  /** Null if it could not be read. */
  readonly evidence: AnyEvidence | null;
  readonly action: RolloutAction;
  readonly reason: string;
  readonly missing: readonly string[];
}

/** Result of the `status` query. */
export interface RolloutStatus {
  readonly spec: RolloutSpec;
  readonly state: RolloutState;
  /** Null before the first analysis. */
  readonly lastAnalysis: RolloutAnalysis | null;
  /** Time of the next analysis, in milliseconds since 1970; null when the rollout has ended. */
  readonly nextAnalysisAtMs: number | null;
}

/** Result of a rollout's workflow. */
export interface RolloutResult {
  readonly phase: 'Succeeded' | 'RolledBack';
  readonly reason: string;
  readonly reached: readonly ReachedStep[];
}

/** How turns are split between the arms of a rollout: one row in the ledger. */
export interface TrafficSplit {
  readonly rollout: string;
  readonly baselineArm: string;
  readonly canaryArm: string;
  /** 0 after a rollback, 100 after the last step; stays in effect after the rollout has ended. */
  readonly percent: number;
  readonly bake: number;
  /** False once the rollout has ended. */
  readonly active: boolean;
  /** Absent under rule 1, which does not count users. */
  readonly exposure?: Exposure;
  /** Whether the baseline's targets answer turns that the canary's could not, while the rollout is active. */
  readonly rescue: boolean;
  /** See `RolloutSpec`; null: none. */
  readonly salt: string | null;
}
