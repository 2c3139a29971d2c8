import type { AuditRow } from './rollout-ledger';

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

/** What calls cost in nano-dollars, and how many turns made them. */
export interface SpendingRow {
  readonly key: string;
  readonly turns: number;
  readonly costNanoUsd: number;
  readonly unconfirmedNanoUsd: number;
}

/** Spending of a UTC day and in all, in nano-dollars. */
export interface SpendingOfToday {
  /** `2026-11-30`. */
  readonly day: string;
  /** Includes calls of unknown outcome, at their worst case. */
  readonly spentNanoUsd: number;
  readonly reservedNanoUsd: number;
  /** The most expensive first, at most 50. As far as it is tallied. */
  readonly by: Readonly<Record<'arm' | 'model' | 'key', readonly SpendingRow[]>>;
  /** Names of the API keys in `by`. */
  readonly keyNames: ReadonlyMap<string, string>;
  /** Confirmed, of all days; and on how many days anything was spent. As far as it is tallied. */
  readonly total: { readonly costNanoUsd: number; readonly days: number };
  /** The oldest turn that is not yet tallied, as after an upgrade from a version without tallies; null: all are, but for seconds. */
  readonly uncountedFromMs: number | null;
}

/** What a rollout's turns used of one target's model, from settled calls. See `Spending`. */
export interface UsedTokens {
  readonly arm: string;
  readonly target: string;
  readonly model: string;
  readonly promptTokens: number;
  readonly cachedPromptTokens: number;
  readonly cacheWriteTokens: number;
  readonly completionTokens: number;
  readonly costNanoUsd: number;
}

/** The turns that a rollout sent to an arm, as far as they are tallied: a few seconds late. */
export interface ArmTraffic {
  readonly arm: string;
  readonly turns: number;
  /** Turns that one of the arm's own targets answered. */
  readonly answers: number;
  /** First calls by how they ended. */
  readonly calls: ReadonlyMap<string, number>;
  /** Of first calls that were answered or timed out; up to 3% too high from 64 ms on. */
  readonly latencyP95Ms: number | null;
  readonly used: readonly UsedTokens[];
  /** The newest with traffic, ascending. */
  readonly hours: readonly HourOfArm[];
}

export interface HourOfArm {
  readonly fromMs: number;
  readonly turns: number;
  readonly latencyP95Ms: number | null;
  readonly firstTokenP95Ms: number | null;
}

/** The calls of one target within the last hour, as far as they are tallied. */
export interface TargetTraffic {
  readonly target: string;
  readonly calls: ReadonlyMap<string, number>;
  readonly latencyP50Ms: number | null;
  readonly latencyP95Ms: number | null;
}

export type CircuitState = 'closed' | 'half-open' | 'open';

/** What a worker knows of a model at a provider. */
export interface TargetState {
  readonly provider: string;
  readonly model: string;
  readonly state: CircuitState;
  readonly lastSuccessAtMs: number | null;
}

/** The newest verification of the audit trail. */
export interface Verification {
  readonly atMs: number;
  readonly isIntact: boolean;
  readonly message: string;
  /** Of the last row that was found to be intact. */
  readonly position: number;
}

/** A turn of a session, as facts. See `SessionTurn`. */
export interface TurnFacts {
  readonly turnName: string;
  readonly atMs: number;
  readonly endedAtMs: number | null;
  readonly arm: string;
  readonly target: string | null;
  /** Null while it is in flight. */
  readonly outcome: string | null;
  readonly language: string | null;
  readonly flags: readonly string[];
  readonly feedback: string | null;
  readonly attempts: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Includes calls of unknown outcome, at their worst case. */
  readonly costNanoUsd: number;
}

export interface SessionFacts {
  /** The newest first, without those that were never admitted. */
  readonly turns: readonly TurnFacts[];
  /** Of all its turns. */
  readonly costNanoUsd: number;
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
  /** Rows of the whole audit trail after a position, ascending. */
  auditRowsAfter(position: number, limit: number): Promise<readonly AuditRow[]>;
  /** Of today, by the database's clock. */
  spendingOfToday(): Promise<SpendingOfToday>;
  /** The arms of a rollout with their newest `hours`; of those, only the ones from `fromMs` on, if it is given. */
  traffic(rollout: string, hours: number, fromMs?: number): Promise<readonly ArmTraffic[]>;
  recentTargets(): Promise<readonly TargetTraffic[]>;
  /** A session's newest turns, at most 200. */
  session(sessionId: string): Promise<SessionFacts>;
  /** What live workers say. */
  targetStates(): Promise<readonly TargetState[]>;
  /** Null: never verified. */
  verification(): Promise<Verification | null>;
}

/** What workers write for the operator's page. */
export interface PageTallies {
  /**
   * Tallies the turns that came since the last call, of any process, and those that may have changed. Takes about `budgetMs` at
   * most; what is left is done by the next calls.
   * @param atMs for tests; default: the time of the database
   */
  tallyTraffic(budgetMs: number, atMs?: number): Promise<void>;
  /** Replaces what the worker has said before, and forgets workers that have ended. */
  writeTargetStates(worker: string, states: readonly TargetState[], atMs?: number): Promise<void>;
  /** Whether this process is to verify the audit trail now: no other one has begun to lately. */
  claimVerification(): Promise<boolean>;
  /** @throws when this process may not write */
  keepVerification(verification: Omit<Verification, 'atMs'>): Promise<void>;
}
