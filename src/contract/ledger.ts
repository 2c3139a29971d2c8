import type { ApiKeys } from './api-keys';
import type { StoredImages } from './images';
import type { PageReads, PageTallies } from './page-ledger';
import type { PageSessions } from './page-sessions';
import type { Notifications } from './notifications';
import type { TrafficSplit } from './rollout';
import type { Rollouts, Spending } from './rollout-ledger';
import type { Sessions } from './sessions';
import type { RefusalScope, Settlement, TurnTotals } from './turn';
import type { TurnState, TurnStops } from './turn-stops';
import type { AnswerFlag, FeedbackSignal } from './user-evidence';

/** The ledger's database cannot be used. The message says which one, why, and what to do; it never contains credentials. */
export class LedgerUnavailableError extends Error {
  override readonly name = 'LedgerUnavailableError';
  /** True if an operator must act: a full disk, a read-only file, a wrong password. False if the database is just down. */
  readonly isLasting: boolean;

  constructor(
    message: string,
    { isLasting = false, ...options }: ErrorOptions & { readonly isLasting?: boolean } = {},
  ) {
    super(message, options);
    this.isLasting = isLasting;
  }
}

/** Spending limits, in nano-dollars. */
export interface Caps {
  readonly sessionNanoUsd: number;
  readonly dayNanoUsd: number;
}

/** Which model call to reserve money for, and how much it can cost at most. */
export interface Reservation {
  readonly arm: string;
  /** The target's name: `holysheep-primary`. */
  readonly target: string;
  readonly provider: string;
  readonly model: string;
  readonly worstCaseNanoUsd: number;
}

/** What the ledger knows about a turn at the moment of admission. */
export interface KnownAtAdmission {
  /** The arm of a turn that was admitted before (its worker died, or its task is being retried): the turn keeps its arm. */
  readonly previousArm: string | null;
  /** As of this transaction; null before the first rollout. */
  readonly split: TrafficSplit | null;
}

export interface TurnPlan {
  readonly reservation: Reservation;
  /** The bake that a new turn counts towards, or null. A turn that was admitted before keeps its own. */
  readonly countedIn: CountedIn | null;
}

export interface CountedIn {
  readonly rollout: string;
  readonly bake: number;
}

export interface AdmitRequest {
  /** The turn's name, from `turnName` or `oneShotTurnName`, unique in the ledger. The same goes for every `turnId` below. */
  readonly turnId: string;
  readonly sessionId: string | null;
  readonly userId: string | null;
  /** The API key whose budgets are charged in addition to session and day; omitted or null: none. */
  readonly keyId?: string | null;
  /**
   * Identifies the workflow that asks: the run id of its first run, which stays the same after resets and continue-as-new.
   * Omitted if unknown: for turns outside Temporal, and from older workers.
   */
  readonly firstRunId?: string | null;
  /** The language label of the user's message; omitted or null: unknown. */
  readonly language?: string | null;
  /** Chooses the arm and the first target, inside the transaction. */
  readonly plan: (known: KnownAtAdmission) => TurnPlan;
  /** Idempotency key: the caller creates it once and reuses it when it retries, and every repetition gets the first answer. */
  readonly requestId: string;
  /** The worker process that will make the call. */
  readonly owner: string;
  readonly caps: Caps;
  /** The time that decides the turn's UTC day. Omitted, except in tests: now, by the database's clock. */
  readonly atMs?: number;
}

export type AdmitResult =
  | {
      readonly kind: 'admitted';
      readonly arm: string;
      /** An active rollout sent the turn to its canary arm. */
      readonly canary: boolean;
      /** The arm whose targets answer if those of the canary arm cannot; null: none. */
      readonly rescueArm: string | null;
      /** The bake that the turn counts towards, or null. */
      readonly countedIn: CountedIn | null;
      readonly attempt: number;
      readonly reservedNanoUsd: number;
    }
  | { readonly kind: 'refused'; readonly scope: RefusalScope; readonly remainingNanoUsd: number }
  /** Another workflow got the answer to this turn, and that answer no longer exists. Nothing is reserved. */
  | { readonly kind: 'not-kept' }
  /** Somebody has asked for the end of the turn. Nothing is reserved, and what it has reserved before `recordTurn` ends. */
  | { readonly kind: 'stopped' };

/** A further attempt of an admitted turn: a retry, or a call of the next target. */
export interface ReserveRequest {
  readonly turnId: string;
  /** As in `AdmitRequest`. */
  readonly keyId?: string | null;
  readonly reservation: Reservation;
  readonly requestId: string;
  readonly owner: string;
  readonly caps: Caps;
  /** As in `AdmitRequest`. */
  readonly atMs?: number;
}

export type ReserveResult =
  | { readonly kind: 'reserved'; readonly attempt: number; readonly reservedNanoUsd: number }
  | { readonly kind: 'refused'; readonly scope: RefusalScope; readonly remainingNanoUsd: number }
  | { readonly kind: 'stopped' };

export interface TurnRecord {
  readonly turnId: string;
  /** `stopped` also ends the attempts that are still open and have no settlement: their callers are gone. */
  readonly outcome: 'answered' | 'degraded' | 'stopped';
  /** The target that answered. */
  readonly target: string | null;
  /** The arm of that target, if it is not the arm that admitted the turn: a rollout's baseline. Omitted or null: it is. */
  readonly rescuedBy?: string | null;
  readonly model: string | null;
  /** Why no target answered. */
  readonly error: string | null;
  /** What is wrong with the answer; omitted: unknown, or no answer. */
  readonly flags?: readonly AnswerFlag[];
  /** How the attempts that are still open ended. */
  readonly settlements: readonly Settlement[];
  readonly dayCapNanoUsd: number;
  /** As in `AdmitRequest`. */
  readonly atMs?: number;
}

export interface TurnFeedback {
  /** As in `AdmitRequest`. */
  readonly turnId: string;
  readonly signal: FeedbackSignal;
  /** As in `AdmitRequest`. */
  readonly atMs?: number;
}

/** `unknown-turn`: there is none, or a budget refused it. `too-late`: its admission is longer ago than `feedbackWithinMs`. */
export type FeedbackOutcome = 'recorded' | 'unknown-turn' | 'too-late';

/** What costs can be grouped by. */
export const costDimensions = [
  'day',
  'month',
  'session',
  'user',
  'provider',
  'target',
  'model',
  'arm',
  'key',
  'language',
] as const;
export type CostDimension = (typeof costDimensions)[number];

/** UTC days, `2026-11-23`, both included; absent: unbounded. An attempt belongs to the day of its reservation. */
export interface CostPeriod {
  readonly fromDay?: string | undefined;
  readonly toDay?: string | undefined;
}

/** A call that ended, for a comparison with an invoice. */
export interface InvoicedCall {
  /** What the provider got as `x-request-id`: `{turnId}.{attempt}`. Two sessions may have turns with the same id. */
  readonly requestId: string;
  /** The UTC day of its reservation, and the one on which it ended: a provider may date it by either. */
  readonly day: string;
  readonly endedDay: string;
  readonly provider: string;
  readonly model: string;
  readonly state: Settlement['state'];
  readonly costNanoUsd: number;
}

/** Turns by flag; a flag that no answer carries is absent. */
export type FlagCounts = Readonly<Partial<Record<AnswerFlag, number>>>;

export interface CostRow {
  /** Of the first dimension. */
  readonly key: string;
  /** Only when grouped by several dimensions: the keys of all of them, in their order. */
  readonly keys?: readonly string[];
  /** Only when grouped by `key`, alone or with others: the API key's name, or null if the ledger does not know the key. */
  readonly name?: string | null;
  /** Only when grouped by `language` alone: the turns whose answer carries each flag. */
  readonly flags?: FlagCounts;
  readonly turns: number;
  readonly attempts: number;
  readonly tokens: number;
  readonly costNanoUsd: number;
  readonly unconfirmedNanoUsd: number;
  /** How much settled calls cost beyond their reservations: the part of the cost that no cap could prevent. */
  readonly overReservedNanoUsd: number;
  /** Calls whose provider reported an impossible usage: they count at the reserved amount, as unconfirmed. */
  readonly disbelievedCalls: number;
}

export interface CostTotals extends Omit<CostRow, 'key' | 'keys' | 'name' | 'flags'> {
  /** Reserved by calls in flight. */
  readonly reservedNanoUsd: number;
  /** Distinct UTC days on which anything was spent. */
  readonly days: number;
  /** The UTC day, by the database's clock: `2026-11-23`. */
  readonly today: string;
}

export interface DaySpending {
  /** The UTC day: `2026-11-23`. */
  readonly day: string;
  readonly spentNanoUsd: number;
  /** By calls in flight. */
  readonly reservedNanoUsd: number;
}

/** One row per model call, for auditors. */
export interface AttemptRow {
  readonly turnId: string;
  /** From `turnName` or `oneShotTurnName`. */
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
  /** See `Settlement`. */
  readonly usageNote: string | null;
}

/**
 * What turns cost and how they ended. Every method is one transaction and is idempotent. For every scope, at every
 * instant: spent + reserved ≤ cap (`unconfirmed` amounts count as spent). The one exception is what settled calls cost
 * beyond their reservations: it counts as spent, so later reservations are refused.
 */
export interface Ledger {
  readonly rollouts: Rollouts;
  readonly keys: ApiKeys;
  readonly requests: Requests;
  readonly images: StoredImages;
  readonly page: PageReads;
  readonly pageSessions: PageSessions;
  readonly tallies: PageTallies;
  readonly notifications: Notifications;
  readonly sessions: Sessions;
  readonly stops: TurnStops;
  /**
   * Registers the turn if it is new, posts its open reservations as unconfirmed, and reserves the worst case of the next
   * attempt against session, API key and day. Refuses when the session is closed or a cap would be exceeded; a refused
   * new turn is kept as a row with outcome `refused` and reserves nothing. A turn that was answered in
   * another workflow is `not-kept`: it is not paid for twice. Does not refuse revoked or unknown keys:
   * authentication happens elsewhere, and a turn that has started may finish.
   */
  admit(request: AdmitRequest): Promise<AdmitResult>;
  /** Like `admit`, for a further attempt of a turn that is already admitted. */
  reserveAttempt(request: ReserveRequest): Promise<ReserveResult>;
  /** Settles one attempt; as unconfirmed, if its numbers do not fit a row. An unconfirmed attempt can still become settled or released if its outcome arrives late. `atMs` as in `AdmitRequest`. */
  settleAttempt(turnId: string, settlement: Settlement, atMs?: number): Promise<void>;
  /** Settles the given attempts and writes the turn's outcome; a turn recorded again after a crash gets the newer outcome. */
  recordTurn(record: TurnRecord): Promise<TurnTotals>;
  /** Adds a flag to an answer that is already recorded. Adding it again, or to an unknown turn, changes nothing. */
  flagAnswer(turnId: string, flag: AnswerFlag, atMs?: number): Promise<void>;
  /**
   * Writes what somebody says about a turn; the last signal counts. Whoever calls it checks that the turn is the caller's
   * own. Gateways may call it.
   */
  recordFeedback(feedback: TurnFeedback): Promise<FeedbackOutcome>;
  /** After this, `admit` refuses the session's turns. */
  closeSession(sessionId: string, atMs: number): Promise<void>;
  /**
   * Posts reservations that are older than `ageMs` as unconfirmed, since no turn is left that could settle them. Returns how
   * many there were. `atMs` as in `AdmitRequest`.
   */
  postAbandonedReservations(ageMs: number, atMs?: number): Promise<number>;
  /** `today` and what is reserved are of now, whatever the period. */
  costTotals(period?: CostPeriod): Promise<CostTotals>;
  /** What counts on the budget of the current day, by the database's clock. */
  today(): Promise<DaySpending>;
  /**
   * Rows by descending cost; days and months by descending date. Of several dimensions, rows are in the order of their keys.
   * @param dimensions one, or up to three different ones
   * @param limit the maximum number of rows; the first ones are kept
   */
  costsBy(
    dimensions: CostDimension | readonly CostDimension[],
    limit: number,
    period?: CostPeriod,
  ): Promise<readonly CostRow[]>;
  /** What each model's settled calls used, sorted by arm, target and model. */
  volume(period?: CostPeriod): Promise<readonly Spending[]>;
  /** Ended calls of the period, in no particular order. Reads one more than `limit`, so that a caller can tell that there are more. */
  endedCalls(period: CostPeriod, limit: number): Promise<readonly InvoicedCall[]>;
  attempts(turnName?: string): Promise<readonly AttemptRow[]>;
  /** A description of the database without credentials: `SQLite /path/ledger.db`. */
  readonly database: string;
  /** Resolves when the database takes writes. @throws {LedgerUnavailableError} */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** An HTTP request that the gateway accepted, before its turn is started. Contains no message text. */
export interface NewRequest {
  /** Generated by the gateway for this request. */
  readonly turnId: string;
  /** The API key it was authenticated with. */
  readonly keyId: string;
  /** null for a stateless request. */
  readonly sessionId: string | null;
  /** As sent by the caller; only its SHA-256 is stored. */
  readonly idempotencyKey: string | null;
  /** Detects requests with the same idempotency key but different bodies; empty without an idempotency key. */
  readonly bodyHash: string;
  readonly atMs: number;
  /** Of a request for a response: whether it can be asked for later. Left out: a request of another kind. */
  readonly response?: 'stored' | 'unstored';
}

/** A turn that the gateway started, and the key that owns it. */
export interface RegisteredRequest {
  readonly turnId: string;
  readonly keyId: string;
  readonly sessionId: string | null;
  readonly bodyHash: string;
  readonly createdAtMs: number;
}

export interface Registration extends RegisteredRequest {
  /** False when the API key has used the idempotency key before: the other fields are then those of the earlier request. */
  readonly isNew: boolean;
}

export interface FoundRequest extends RegisteredRequest {
  /** null: it did not ask for a response. */
  readonly response: 'stored' | 'unstored' | 'deleted' | null;
  readonly outcome: TurnState;
  /** false: it waits, never began, or was taken without a model. */
  readonly isAdmitted: boolean;
}

/** How long the body hash of a request is kept: as long as Temporal's retention in production. */
export const bodyHashKeptForMs = 7 * 24 * 60 * 60 * 1000;

export interface Requests {
  /**
   * Stores the request and returns it. If this API key has used the idempotency key before, stores nothing and returns the
   * earlier request. Repeating a registration (same turn id) returns the same result.
   */
  register(request: NewRequest): Promise<Registration>;
  /** The request for which this API key has used the idempotency key; null if it has not. */
  findByKey(keyId: string, idempotencyKey: string): Promise<RegisteredRequest | null>;
  /** null for a turn that no gateway started. */
  find(turnId: string): Promise<FoundRequest | null>;
  /** Nobody can ask for the response any more; the turn and its costs stay. */
  deleteResponse(turnId: string): Promise<void>;
  /** Forgets the body hashes that are older than `bodyHashKeptForMs`, and returns how many. */
  prune(nowMs: number): Promise<number>;
}
