/** What the operator's page reads from the ledger beside the rollout itself. Every read is bounded, however many turns there are. */

/** When a rollout began; by the clock that dated its first decision. Milliseconds since 1970. */
export interface RolloutStart {
  readonly rollout: string;
  readonly atMs: number;
}

/** A row of the audit trail without what it was decided on. See `AuditRow`. */
export interface DecisionRow {
  readonly position: number;
  readonly sequence: number;
  readonly atMs: number;
  readonly actor: string;
  readonly action: string;
  readonly reason: string;
}

export interface DecisionEntry extends DecisionRow {
  /** See `AuditRow`. */
  readonly entry: string;
}

/** A UTC day's budget, in nano-dollars. */
export interface DaySpending {
  /** `2026-11-30`. */
  readonly day: string;
  /** Includes calls of unknown outcome, at their worst case. */
  readonly spentNanoUsd: number;
  readonly reservedNanoUsd: number;
}

export interface PageReads {
  /** The newest first. */
  rolloutStarts(limit: number): Promise<readonly RolloutStart[]>;
  /** A rollout's newest decisions, the newest first; `changes`: without analyses that waited. */
  newestDecisions(rollout: string, which: 'all' | 'changes', limit: number): Promise<readonly DecisionRow[]>;
  /** A rollout's decisions after a sequence number, ascending. */
  decisionsAfter(rollout: string, sequence: number, limit: number): Promise<readonly DecisionEntry[]>;
  /** A rollout's decisions with these sequence numbers, ascending. At most 100. */
  decisions(rollout: string, sequences: readonly number[]): Promise<readonly DecisionEntry[]>;
  /** Of today, by the database's clock. */
  today(): Promise<DaySpending>;
}
