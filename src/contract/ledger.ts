import type { ApiKeys } from './api-keys';
import type { TrafficSplit } from './rollout';
import type { Rollouts } from './rollout-ledger';
import type { RefusalScope, Settlement, TurnTotals } from './turn';

/** The ledger's database cannot be used. The message says which, why, and what to do; it holds no credentials. */
export class LedgerUnavailableError extends Error {
  override readonly name = 'LedgerUnavailableError';
}

/** Spending limits, in nano-dollars. */
export interface Caps {
  readonly sessionNanoUsd: number;
  readonly dayNanoUsd: number;
}

/** What one model call is for and what it may cost at worst. */
export interface Reservation {
  readonly arm: string;
  /** The target's name: `holysheep-primary`. */
  readonly target: string;
  readonly provider: string;
  readonly model: string;
  readonly worstCaseNanoUsd: number;
}

/** What the ledger knows when a turn is to be admitted. */
export interface KnownAtAdmission {
  /** The arm of a turn that was admitted before (its worker died, or its task is done again): the turn keeps it. */
  readonly previousArm: string | null;
  /** As of this transaction; null before the first rollout. */
  readonly split: TrafficSplit | null;
}

export interface TurnPlan {
  readonly reservation: Reservation;
  /** The bake that a new turn counts for; null when it counts for none. A turn that was admitted before keeps its own. */
  readonly countedIn: CountedIn | null;
}

export interface CountedIn {
  readonly rollout: string;
  readonly bake: number;
}

export interface AdmitRequest {
  /** Unique in the ledger: a turn's name, by `turnName` or `oneShotTurnName`. The same in all that follows. */
  readonly turnId: string;
  readonly sessionId: string | null;
  readonly userId: string | null;
  /** The API key whose budgets the attempt counts on besides session and day; left out or null: none. */
  readonly keyId?: string | null;
  /** Chooses arm and first target inside the transaction. */
  readonly plan: (known: KnownAtAdmission) => TurnPlan;
  /** Made once by the caller and kept over its own retries: a repeated request with the same id gets the first one's answer. */
  readonly requestId: string;
  /** The worker process that will make the call. */
  readonly owner: string;
  readonly caps: Caps;
  readonly atMs: number;
}

export type AdmitResult =
  | {
      readonly kind: 'admitted';
      readonly arm: string;
      /** An active rollout sent the turn to its canary arm. */
      readonly canary: boolean;
      readonly attempt: number;
      readonly reservedNanoUsd: number;
    }
  | { readonly kind: 'refused'; readonly scope: RefusalScope; readonly remainingNanoUsd: number };

/** A further attempt of an admitted turn: a retry or the next target. */
export interface ReserveRequest {
  readonly turnId: string;
  /** As in `AdmitRequest`. */
  readonly keyId?: string | null;
  readonly reservation: Reservation;
  readonly requestId: string;
  readonly owner: string;
  readonly caps: Caps;
  readonly atMs: number;
}

export type ReserveResult =
  | { readonly kind: 'reserved'; readonly attempt: number; readonly reservedNanoUsd: number }
  | { readonly kind: 'refused'; readonly scope: RefusalScope; readonly remainingNanoUsd: number };

export interface TurnRecord {
  readonly turnId: string;
  readonly outcome: 'answered' | 'degraded';
  /** The target that answered. */
  readonly target: string | null;
  readonly model: string | null;
  /** Why no target answered. */
  readonly error: string | null;
  /** Attempts that are still open. */
  readonly settlements: readonly Settlement[];
  readonly dayCapNanoUsd: number;
  readonly atMs: number;
}

export type CostDimension = 'day' | 'session' | 'model' | 'arm' | 'key';

export interface CostRow {
  readonly key: string;
  /** Only by `key`: the API key's name, or null where the ledger has none. */
  readonly name?: string | null;
  readonly turns: number;
  readonly attempts: number;
  readonly tokens: number;
  readonly costNanoUsd: number;
  readonly unconfirmedNanoUsd: number;
  /** By how much settled calls passed what was reserved for them: the part of the cost that no cap could foresee. */
  readonly overReservedNanoUsd: number;
  /** Calls whose provider claimed a usage that cannot be: they count at what was reserved, as unconfirmed. */
  readonly disbelievedCalls: number;
}

export interface CostTotals extends Omit<CostRow, 'key' | 'name'> {
  /** Reserved by calls in flight. */
  readonly reservedNanoUsd: number;
  /** Distinct UTC days on which anything was spent. */
  readonly days: number;
}

/** One row per model call, as an auditor reads it. */
export interface AttemptRow {
  readonly turnId: string;
  /** As `turnName` and `oneShotTurnName` have it. */
  readonly turnName: string;
  readonly attempt: number;
  readonly sessionId: string | null;
  readonly keyId: string | null;
  readonly day: string;
  readonly arm: string;
  readonly target: string;
  readonly model: string;
  readonly state: 'reserved' | Settlement['state'];
  readonly outcome: string | null;
  readonly reservedNanoUsd: number;
  readonly costNanoUsd: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** As in `Settlement`. */
  readonly usageNote: string | null;
}

/**
 * What turns cost and how they went. Every method is one transaction and may be repeated: the second time changes
 * nothing. For every scope, at every instant: spent + reserved ≤ cap (an `unconfirmed` amount is spent), but for what
 * settled calls cost beyond their reservations: that is spent, and refuses what comes after it.
 */
export interface Ledger {
  readonly rollouts: Rollouts;
  readonly keys: ApiKeys;
  readonly requests: Requests;
  /**
   * Registers the turn if it is new, posts what earlier attempts of it left open as unconfirmed, and reserves the worst
   * case of the next attempt against session, API key and day. Refuses when the session is closed or a cap would be
   * passed; a refused new turn is kept as a row with outcome `refused` and reserves nothing. A key that is revoked, or
   * that nobody knows, refuses nothing here: that is for who lets it in, and a turn that runs is finished.
   */
  admit(request: AdmitRequest): Promise<AdmitResult>;
  /** As `admit`, for a further attempt of a turn that is already admitted. */
  reserveAttempt(request: ReserveRequest): Promise<ReserveResult>;
  /** Ends one attempt; with numbers that no row can hold, as unconfirmed. An unconfirmed attempt may still become settled or released when its truth arrives late. */
  settleAttempt(turnId: string, settlement: Settlement): Promise<void>;
  /** Ends the given attempts and writes the turn's outcome; a turn recorded again after a crash gets the newer outcome. */
  recordTurn(record: TurnRecord): Promise<TurnTotals>;
  /** After this, `admit` refuses the session's turns. */
  closeSession(sessionId: string, atMs: number): Promise<void>;
  /** Posts reservations made before `reservedBeforeMs` as unconfirmed: no turn is left that could end them. Returns their number. */
  postAbandonedReservations(reservedBeforeMs: number): Promise<number>;
  costTotals(): Promise<CostTotals>;
  /** Rows in descending cost, days in descending order. */
  costsBy(dimension: CostDimension, limit: number): Promise<readonly CostRow[]>;
  attempts(turnName?: string): Promise<readonly AttemptRow[]>;
  /** Throws when the database cannot be used; otherwise says what it is, without credentials: `SQLite /path/ledger.db`. */
  check(): Promise<string>;
  close(): Promise<void>;
}

/** A request that the gateway took, before its turn is begun. Holds no text of any message. */
export interface NewRequest {
  /** Made by the gateway for this very request. */
  readonly turnId: string;
  /** The API key that it came with. */
  readonly keyId: string;
  /** null for a stateless request. */
  readonly sessionId: string | null;
  /** As the caller sent it; only its SHA-256 is stored. */
  readonly idempotencyKey: string | null;
  /** Tells requests with one idempotency key but different bodies apart. */
  readonly bodyHash: string;
  readonly atMs: number;
}

/** One turn of the gateway and whose it is. */
export interface RegisteredRequest {
  readonly turnId: string;
  readonly keyId: string;
  readonly sessionId: string | null;
  readonly bodyHash: string;
  readonly createdAtMs: number;
}

export interface Registration extends RegisteredRequest {
  /** False when the API key used the idempotency key before: the rest is then the earlier request's. */
  readonly isNew: boolean;
}

export interface FoundRequest extends RegisteredRequest {
  /** `in-progress` also while the turn has not begun. */
  readonly outcome: 'in-progress' | 'answered' | 'degraded' | 'refused';
}

export interface Requests {
  /**
   * Keeps the request and returns it; with an idempotency key that this API key used before, returns the earlier one
   * instead and keeps nothing. The same registration again, by its turn id, gets the same answer.
   */
  register(request: NewRequest): Promise<Registration>;
  /** null for a turn that no gateway began. */
  find(turnId: string): Promise<FoundRequest | null>;
}
