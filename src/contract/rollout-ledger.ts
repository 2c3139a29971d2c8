import type { Evidence, RecordedRollout, RolloutEntry, TrafficSplit } from './rollout';

/** What of a bake's turns is to be counted. */
export interface EvidenceRequest {
  readonly rollout: string;
  readonly bake: number;
  readonly baselineArm: string;
  readonly canaryArm: string;
  readonly maxRequestsPerUser: number;
  /** See `RolloutGates`. */
  readonly maxLatencyPercent: number | null;
  readonly atMs: number;
}

/** One row of the audit trail. */
export interface AuditRow {
  /** From 1, over all rollouts of the ledger, without gaps. */
  readonly position: number;
  readonly rollout: string;
  /** From 1, within the rollout, without gaps. */
  readonly sequence: number;
  readonly atMs: number;
  /** Who caused it: an operator, or `bellwether` for what the evidence decided. */
  readonly actor: string;
  readonly action: string;
  readonly reason: string;
  /** The whole `RolloutEntry` as JSON, exactly as it was hashed. */
  readonly entry: string;
  /** SHA-256 of the row before, in hex; of the first row 64 zeros. */
  readonly previousHash: string;
  /** SHA-256, in hex, over all other columns. */
  readonly hash: string;
}

/** How much of the traffic each arm got recently, whatever any status says. */
export interface ObservedTraffic {
  readonly arm: string;
  readonly turns: number;
  readonly users: number;
}

/** What an arm did in a rollout from its first bake to its last. Every request counts, however many one user made. */
export interface ArmTotals {
  readonly arm: string;
  /** Turns admitted, whatever became of them. */
  readonly turns: number;
  /** First calls that ended. */
  readonly successes: number;
  readonly failures: number;
  /** As in `ArmEvidence`. */
  readonly latencyMeanMs: number | null;
  readonly latencyP95Ms: number | null;
  readonly successfulTurns: number;
  /** All calls of the arm's turns: what providers confirmed. */
  readonly costNanoUsd: number;
  /** What calls of unknown outcome may have cost on top. */
  readonly unconfirmedNanoUsd: number;
}

/** What one model used in one role during a rollout: its settled calls. */
export interface Spending {
  readonly arm: string;
  readonly target: string;
  readonly provider: string;
  readonly model: string;
  readonly promptTokens: number;
  /** Part of `promptTokens`. */
  readonly cachedPromptTokens: number;
  readonly completionTokens: number;
  readonly costNanoUsd: number;
}

/** Somebody else moves the traffic now: repeating what failed cannot help. */
export class RolloutConflictError extends Error {
  override readonly name = 'RolloutConflictError';
}

/** The ledger's part in rollouts: the traffic split, what is known of the arms, and the audit trail. */
export interface Rollouts {
  /** Null before the first rollout. */
  split(): Promise<TrafficSplit | null>;
  evidence(request: EvidenceRequest): Promise<Evidence>;
  /**
   * Appends an audit row and sets the split, in one transaction. An entry that is there already changes nothing and
   * answers as the first time. The first entry of a rollout is refused while another one is active, when
   * traffic is not at its baseline arm (both unless the spec says `takeOver`), and when the name was used before.
   * `defaultArm` is where traffic goes before the first rollout.
   * @throws RolloutConflictError when another entry has its sequence, or another rollout has taken over since
   * @throws when an earlier entry of the rollout is missing
   */
  record(entry: RolloutEntry, defaultArm: string): Promise<RecordedRollout>;
  /** Rows in ascending order of position, of one rollout or of all. */
  auditTrail(rollout?: string): Promise<readonly AuditRow[]>;
  /** The most recent row; of the given rollout, or of all. Null when there is none. */
  lastAuditRow(rollout?: string): Promise<AuditRow | null>;
  /** Position and hash of the last row as the split knows it; null before the first rollout. */
  auditHead(): Promise<{ readonly position: number; readonly hash: string } | null>;
  /** Turns admitted since the given time, by arm, pinned users and all. */
  traffic(sinceMs: number): Promise<readonly ObservedTraffic[]>;
  /** Of both arms of a rollout, in the order of their names; an arm without turns is left out. */
  armTotals(rollout: string): Promise<readonly ArmTotals[]>;
  /** What the rollout's turns used, by arm, target and model, in this order. */
  spending(rollout: string): Promise<readonly Spending[]>;
}
