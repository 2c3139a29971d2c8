import type { FrozenLimits, UserEvidence, UserEvidenceRequest } from './user-evidence';
import type { AuditHead, Evidence, RecordedRollout, RolloutEntry, TrafficSplit } from './rollout';
import type { FeedbackSignal } from './user-evidence';

/** Which turns of a bake to count. */
export interface EvidenceRequest {
  readonly rollout: string;
  readonly bake: number;
  readonly baselineArm: string;
  readonly canaryArm: string;
  readonly maxRequestsPerUser: number;
  /** See `RolloutGates`. */
  readonly maxLatencyPercent: number | null;
  /** For tests. Default: the time of the ledger's database, which also dates the requests. Milliseconds since 1970. */
  readonly atMs?: number;
}

/** Whose latency to measure: turns admitted to this arm in this time. Milliseconds since 1970. */
export interface BaselineLimitsRequest {
  readonly baselineArm: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** One row of the audit trail. */
export interface AuditRow {
  /** From 1, over all rollouts of the ledger, without gaps. */
  readonly position: number;
  readonly rollout: string;
  /** From 1, within the rollout, without gaps. */
  readonly sequence: number;
  readonly atMs: number;
  /** Who caused it: an operator, or `bellwether` for automatic decisions. */
  readonly actor: string;
  readonly action: string;
  readonly reason: string;
  /** The whole `RolloutEntry` as JSON, exactly as it was hashed. */
  readonly entry: string;
  /** The hash of the previous row; 64 zeros for the first row. */
  readonly previousHash: string;
  /** The key that the hash was made with; null for a plain hash, which anyone can make. */
  readonly keyId: string | null;
  /** In hex, over all other columns: HMAC-SHA-256, or SHA-256 without a key. */
  readonly hash: string;
}

/** How much traffic an arm actually received recently, whatever the configured split. */
export interface ObservedTraffic {
  readonly arm: string;
  readonly turns: number;
  readonly users: number;
}

/** An arm's results over a whole rollout. Every request counts, with no cap per user. */
export interface ArmTotals {
  readonly arm: string;
  /** Turns admitted, whatever their outcome. */
  readonly turns: number;
  /** First calls that ended. */
  readonly successes: number;
  readonly failures: number;
  /** See `ArmEvidence`. */
  readonly latencyMeanMs: number | null;
  readonly latencyP95Ms: number | null;
  /** Turns answered by one of the arm's targets. */
  readonly successfulTurns: number;
  /** All calls of the arm's targets for its turns: what providers confirmed. */
  readonly costNanoUsd: number;
  /** What calls of unknown outcome may have cost in addition. */
  readonly unconfirmedNanoUsd: number;
  /** Turns that the baseline answered because no target of the arm could. */
  readonly rescuedTurns: number;
  /** What the baseline's calls for the arm's turns cost, including unconfirmed ones. */
  readonly rescueNanoUsd: number;
}

/** The usage of one target's model, from its settled calls. */
export interface Spending {
  readonly arm: string;
  readonly target: string;
  readonly provider: string;
  readonly model: string;
  readonly promptTokens: number;
  /** Part of `promptTokens`. */
  readonly cachedPromptTokens: number;
  /** Those of the prompt tokens that were written to a cache. */
  readonly cacheWriteTokens: number;
  readonly completionTokens: number;
  readonly costNanoUsd: number;
}

/** How many first calls of an arm's turns failed like this. */
export interface FailureCount {
  readonly arm: string;
  /** `timeout`, `server-error`, ... */
  readonly outcome: string;
  readonly calls: number;
}

/** How many turns of an arm got this signal last. Turns that the baseline rescued are left out: the answer was not the arm's. */
export interface FeedbackCount {
  readonly arm: string;
  readonly language: string;
  readonly signal: FeedbackSignal;
  readonly turns: number;
}

/** Something else controls the traffic now, so retrying cannot help. */
export class RolloutConflictError extends Error {
  override readonly name = 'RolloutConflictError';
}

/** The ledger lacks earlier rows of the rollout: it is another one, or was restored from an older backup. */
export class LedgerBehindError extends Error {
  override readonly name = 'LedgerBehindError';
}

/** The ledger's part in rollouts: the traffic split, the evidence on both arms, and the audit trail. */
export interface Rollouts {
  /** Null before the first rollout. */
  split(): Promise<TrafficSplit | null>;
  evidence(request: EvidenceRequest): Promise<Evidence>;
  /** The time of the ledger's database, the one clock by which ages are told. Milliseconds since 1970. */
  nowMs(): Promise<number>;
  /**
   * The evidence of a bake under rule 2, with everything that is committed by now. Counts what has changed since the last call
   * first, in short transactions; a process that dies in between loses and repeats nothing.
   */
  userEvidence(request: UserEvidenceRequest): Promise<UserEvidence>;
  /**
   * The same as of the last `userEvidence` or `countUsers`, with the excluded windows of the last analysis. Changes nothing,
   * so a process that may only read can call it.
   */
  countedUserEvidence(request: UserEvidenceRequest): Promise<UserEvidence>;
  /** Counts what has changed in all rollouts, so that `userEvidence` finds little to do. Returns how many rows there were. */
  countUsers(atMs?: number): Promise<number>;
  /**
   * The baseline's p95 over users' first timed calls, and over the first tokens of those that stream; null for fewer than 100
   * users. Reads the newest 10,000 turns of the time at most.
   */
  baselineLimits(request: BaselineLimitsRequest): Promise<FrozenLimits>;
  /**
   * Appends an audit row and sets the split, in one transaction. Repeating an entry changes nothing and returns the same
   * result. Returns the position and hash of the entry's row. The first entry of a rollout is refused while another rollout
   * is active, when traffic is not at its baseline arm (both unless the spec says `takeOver`), and when the name was used
   * before.
   * `defaultArm` is where traffic goes before the first rollout.
   * @throws RolloutConflictError when a different entry has this sequence number, or another rollout has taken over
   * @throws LedgerBehindError when an earlier entry of the rollout is missing
   * @throws when earlier rows are hashed with a key and this process has none
   */
  record(entry: RolloutEntry, defaultArm: string): Promise<RecordedRollout>;
  /**
   * Records the first two entries of a rollout as `record` does, in one transaction: both or neither. Returns the second
   * one's result, or the refusal of the first.
   */
  recordBoth(first: RolloutEntry, second: RolloutEntry, defaultArm: string): Promise<RecordedRollout>;
  /** Rows in ascending order of position, of one rollout or of all. */
  auditTrail(rollout?: string): Promise<readonly AuditRow[]>;
  /** The most recent row; of the given rollout, or of all. Null when there is none. */
  lastAuditRow(rollout?: string): Promise<AuditRow | null>;
  /** Position and hash of the last row, as stored with the split; null before the first rollout. */
  auditHead(): Promise<AuditHead | null>;
  /** Turns admitted since the given time, and before another one, by arm, including pinned users. */
  traffic(sinceMs: number, untilMs?: number): Promise<readonly ObservedTraffic[]>;
  /** Both arms of a rollout, sorted by name; an arm without turns is omitted. */
  armTotals(rollout: string): Promise<readonly ArmTotals[]>;
  /** How first calls of the rollout's turns failed, sorted by arm, the most frequent first. */
  failures(rollout: string): Promise<readonly FailureCount[]>;
  /** What users say about the rollout's turns, sorted by arm, language and signal. */
  feedback(rollout: string): Promise<readonly FeedbackCount[]>;
  /** What the rollout's turns used, sorted by arm, target and model. */
  spending(rollout: string): Promise<readonly Spending[]>;
}
