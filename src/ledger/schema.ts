import type { Generated, Kysely } from 'kysely';
import type { KeyRole } from '../contract/api-keys';
import type { CircuitState } from '../contract/page-ledger';
import type { NotificationEvent } from '../contract/notifications';
import type { RefusalScope, Settlement } from '../contract/turn';
import type { TurnState } from '../contract/turn-stops';
import type { FeedbackSignal } from '../contract/user-evidence';
import type { CallResult } from '../domain/turn/outcome-meanings';

/** One row per turn. Times are milliseconds since 1970, UTC. */
export interface TurnsTable {
  /** The turn's name, from `turnName` or `oneShotTurnName`; for turns from before these existed, the id alone. */
  turn_id: string;
  session_id: string | null;
  user_id: string | null;
  arm: string;
  /** null while the turn is in flight. */
  outcome: Exclude<TurnState, 'in-progress'> | null;
  target: string | null;
  model: string | null;
  error: string | null;
  /** The most recent refusal, so that repeating its request returns the same answer. */
  refused_by: RefusalScope | null;
  refused_request_id: string | null;
  /** First admission; null for a turn that was never admitted. */
  admitted_at_ms: number | null;
  ended_at_ms: number | null;
  /** The rollout and bake that the turn counts towards, as of its admission; null outside any rollout. */
  rollout: string | null;
  bake: number | null;
  /** See `AdmitRequest`; null for turns from before it was recorded. */
  first_run_id: string | null;
  /** See `AdmitRequest`; null if unknown. */
  language: string | null;
  /** The answer's flags, joined by commas; empty: none. null: unknown, or no answer. */
  flags: string | null;
  /**
   * The outcome before the last change: a statement that changes `outcome` can return what it was. `degraded` if another arm
   * had rescued the turn.
   */
  replaced_outcome: TurnsTable['outcome'];
  /** See `TurnRecord`. */
  rescued_by: string | null;
}

/**
 * One row per model call. `cost_nano_usd` is the row's contribution to its scopes' `spent_nano_usd`: 0 while reserved or
 * if released, the actual cost if settled, the reserved amount if unconfirmed.
 */
export interface AttemptsTable {
  turn_id: string;
  attempt: number;
  request_id: string;
  owner: string;
  session_id: string | null;
  /** UTC day of the reservation, `2026-11-23`: the attempt counts towards this day whenever it ends. */
  day: string;
  arm: string;
  target: string;
  provider: string;
  model: string;
  state: 'reserved' | Settlement['state'];
  reserved_nano_usd: number;
  cost_nano_usd: Generated<number>;
  prompt_tokens: Generated<number>;
  cached_prompt_tokens: Generated<number>;
  /** Those of the prompt tokens that were written to a cache. */
  cache_write_tokens: Generated<number>;
  completion_tokens: Generated<number>;
  outcome: string | null;
  http_status: number | null;
  latency_ms: number | null;
  started_at_ms: number;
  ended_at_ms: number | null;
  /** The API key whose budgets are charged, too; null for a turn without one. */
  key_id: string | null;
  /** Anything unusual about the usage that the provider reported; else null. */
  usage_note: Generated<string | null>;
  /** See `Settlement`; null if unknown, or not streamed. */
  first_token_ms: Generated<number | null>;
  /**
   * Only of a turn's first call in a rollout that counts users: which of the user's calls in the bake it is, from 1. 0: too
   * many or too late to count. null: users are not counted.
   */
  user_call: Generated<number | null>;
  /** 1 if the call counts for the user's exposure in the whole rollout too, else 0; null like `user_call`. */
  in_rollout_exposure: Generated<number | null>;
  /** 1 if the caller may have asked for the failure, see `Settlement`; 0 if not, null if unknown. */
  may_be_asked_for: Generated<number | null>;
}

/** One row per budget scope: `session:<id>`, `day:2026-11-23`. A new kind of scope only needs new rows. */
interface BudgetsTable {
  scope: string;
  spent_nano_usd: number;
  reserved_nano_usd: number;
  closed_at_ms: number | null;
}

/** A single row, with id 1. Before the first rollout, `rollout` is null and all columns but the head are meaningless. */
interface TrafficSplitTable {
  id: number;
  rollout: string | null;
  baseline_arm: string;
  canary_arm: string;
  percent: number;
  bake: number;
  /** 0 or 1, which works the same in both databases. */
  active: number;
  rescue: number;
  salt: string | null;
  /** Position and hash of the audit trail's last row, to detect a truncated trail. */
  head_position: number;
  head_hash: string;
  changed_at_ms: number;
  /** See `Exposure`; null unless the rollout counts users. */
  user_window_ms: number | null;
  longest_call_ms: number | null;
  max_requests_per_user: number | null;
}

/** One row per decision or command, append-only. See `AuditRow`. */
interface RolloutAuditTable {
  position: number;
  rollout: string;
  sequence: number;
  at_ms: number;
  actor: string;
  action: string;
  reason: string;
  entry: string;
  previous_hash: string;
  /** null: hashed without a key. */
  key_id: string | null;
  hash: string;
}

/** One row per API key, including revoked ones. See `ApiKey`. */
export interface ApiKeysTable {
  id: string;
  name: string;
  role: KeyRole;
  secret_hash: string;
  day_nano_usd: number | null;
  total_nano_usd: number | null;
  /** A JSON array; null: all. */
  models: string | null;
  requests_per_minute: number | null;
  created_at_ms: number;
  expires_at_ms: number | null;
  revoked_at_ms: number | null;
}

/** One row per turn that the gateway started. See `RegisteredRequest`. */
interface RequestsTable {
  /** The id alone: the gateway generates a unique one. */
  turn_id: string;
  key_id: string;
  session_id: string | null;
  idempotency_key_hash: string | null;
  /** Empty: not kept. */
  body_hash: string;
  created_at_ms: number;
  /** null: it did not ask for a response. */
  response: 'stored' | 'unstored' | 'deleted' | null;
}

/** One row per picture of an API key. See `StoredImages`. */
interface ImagesTable {
  key_id: string;
  id: string;
  size: number;
  data: Buffer;
  expires_at_ms: number;
}

/** One row per turn that somebody rated. Gateways write it; the analysis of a rollout counts it. */
interface FeedbackTable {
  turn_id: string;
  /** The latest. */
  signal: FeedbackSignal;
  at_ms: number;
  /** 0 until the analysis has counted the latest signal, then 1. */
  is_counted: number;
  /** The signal that the analysis has counted. */
  counted_signal: FeedbackSignal | null;
}

/**
 * One row per rollout, bake, arm and user, and one with bake 0 for the user's exposure to the canary in the whole rollout.
 * Every transaction that changes a turn changes its user's rows.
 */
export interface RolloutUsersTable {
  rollout: string;
  bake: number;
  arm: string;
  /** See `userOf`. */
  user_id: string;
  /** Language and API key of the user's first turn. */
  language: string;
  key_id: string | null;
  first_at_ms: number;
  /** From then on, only totals and feedback change. */
  closes_at_ms: number;
  /** All admitted turns. */
  turns: number;
  /** Those within the user's window, even if they are too many to count. */
  exposed_turns: number;
  /**
   * Of the counted turns, by the result of their first call. In bake 0, a call that was not made because the arm's circuit was
   * open is a fault, too.
   */
  successes: Generated<number>;
  faults: Generated<number>;
  declined: Generated<number>;
  /** Counted turns that were answered, and what all calls of counted turns cost. */
  answers: Generated<number>;
  cost_nano_usd: Generated<number>;
  /** The same of all turns. */
  total_answers: Generated<number>;
  total_cost_nano_usd: Generated<number>;
  /** The first call of the user's first turn; null while it is open, or if it says nothing. */
  first_call: CallResult | null;
  /** Only if that call was answered or timed out. */
  first_latency_ms: number | null;
  first_token_ms: number | null;
  /** The flags of the first turn's answer, as in `turns`; null while it has none. */
  first_flags: string | null;
  /** Turns by their latest signal, as far as they are counted. */
  up: Generated<number>;
  down: Generated<number>;
  handoff: Generated<number>;
  resolved: Generated<number>;
  /** When the last first call that says something ended, whether or not it counts. */
  last_call_at_ms: number | null;
  /** When the row is to be folded into the tallies; 0: it has changed since. null: not before it changes. */
  due_at_ms: number | null;
  /** What the row has added to its tally so far, as JSON; null: nothing. */
  counted: string | null;
}

/** The sums over `rollout_users`. One row per rollout, bake, arm and language; for bake 0, the language is empty. */
interface RolloutTalliesTable {
  rollout: string;
  bake: number;
  arm: string;
  language: string;
  /** See `Counts`. */
  counts: string;
  /** The maximum of `last_call_at_ms`. */
  newest_at_ms: number | null;
}

/** Users by the API key of their first turn; see `FaultTally`. */
interface RolloutKeyUsersTable {
  rollout: string;
  bake: number;
  arm: string;
  key_id: string;
  users: number;
  first_calls: Generated<number>;
  first_call_faults: Generated<number>;
  faulty_users: Generated<number>;
}

/** One row per rollout that counts users. Locked by whoever folds. */
interface RolloutFoldsTable {
  rollout: string;
  /** `ExcludedWindow[]` as JSON. */
  excluded: string;
  /** The windows whose users have been marked for folding. */
  marked_excluded: string;
  /** From a user's first turn until the user is closed. */
  exposed_for_ms: number;
}

/** One row per login to the operator's page. Gateways write it. */
interface PageSessionsTable {
  id_hash: string;
  key_id: string;
  created_at_ms: number;
  expires_at_ms: number;
}

/** What the turns that were admitted in one minute come to, while that may still change. See `TrafficCounts`. */
interface TrafficSlicesTable {
  from_ms: number;
  /** Empty: outside any rollout. */
  rollout: string;
  arm: string;
  counts: string;
}

/** The same of an hour of a rollout, once it is final; and of all of them, with `from_ms` 0. */
type TrafficHoursTable = TrafficSlicesTable;

/** What calls cost on a UTC day, once that is final, by one of the dimensions of `spendingDimensions`. */
interface SpendingDaysTable {
  dimension: string;
  day: string;
  key: string;
  /** With a call that counts here. */
  turns: number;
  cost_nano_usd: number;
  unconfirmed_nano_usd: number;
}

/** A single row, with id 1. */
interface TrafficProgressTable {
  id: number;
  /** All turns that were admitted before are in hours and days. */
  final_until_ms: number;
  /** All before have been in a slice. */
  seen_until_ms: number;
  /** When a worker last began to tally. */
  tallied_at_ms: number;
}

/** What a worker's circuit breaker says of a model at a provider. Rows of workers that have ended are not current. */
interface TargetStatesTable {
  worker: string;
  provider: string;
  model: string;
  state: CircuitState;
  last_success_at_ms: number | null;
  /** When the worker last said so. */
  at_ms: number;
}

/** Row 1 is the newest verification of the audit trail, row 2 tells when a worker last began one. */
interface VerificationsTable {
  id: number;
  at_ms: number;
  /** 0 or 1. */
  is_intact: number;
  message: string;
  /** Of the last row that was found to be intact. */
  position: number;
}

/** Positions that a process continues from: see sql-notifications.ts. */
interface NotificationCursorsTable {
  name: string;
  position: number;
}

/** One row per thing that people are told. See `Notification`. */
export interface NotificationsTable {
  /** From 1, in the order in which they were added. */
  number: number;
  id: string;
  event: NotificationEvent;
  rollout: string | null;
  /** See `NotAgain`. */
  repeat_key: string;
  /** Title, text and facts as JSON. */
  content: string;
  created_at_ms: number;
}

/** One row per target that is told. */
interface NotificationDeliveriesTable {
  target: string;
  number: number;
  /** The rollout, whose notifications a target gets in order; empty: the service. */
  queue: string;
  attempts: Generated<number>;
  /** While an attempt runs: when its process counts as dead. */
  next_at_ms: number;
  /** null while it waits. */
  ended_at_ms: number | null;
  /** 0 while it waits, and if it was given up. */
  is_delivered: Generated<number>;
  last_error: string | null;
}

/** One row per session that a gateway has registered a turn of. See `KeySession`. */
export interface SessionsTable {
  session_id: string;
  key_id: string;
  created_at_ms: number;
  last_at_ms: number;
  turns: number;
  handed_over_at_ms: number | null;
  deleted_at_ms: number | null;
  /** When its deletion ended. */
  erased_at_ms: number | null;
}

/** See `TurnStops`. */
interface TurnStopsTable {
  /** The turn's name, which need not be in `turns` yet. */
  turn_id: string;
  asked_at_ms: number;
}

export interface LedgerTables {
  turns: TurnsTable;
  turn_stops: TurnStopsTable;
  attempts: AttemptsTable;
  budgets: BudgetsTable;
  traffic_split: TrafficSplitTable;
  rollout_audit: RolloutAuditTable;
  api_keys: ApiKeysTable;
  requests: RequestsTable;
  images: ImagesTable;
  feedback: FeedbackTable;
  rollout_users: RolloutUsersTable;
  rollout_tallies: RolloutTalliesTable;
  rollout_key_users: RolloutKeyUsersTable;
  rollout_folds: RolloutFoldsTable;
  page_sessions: PageSessionsTable;
  traffic_slices: TrafficSlicesTable;
  traffic_hours: TrafficHoursTable;
  spending_days: SpendingDaysTable;
  traffic_progress: TrafficProgressTable;
  target_states: TargetStatesTable;
  verifications: VerificationsTable;
  notification_cursors: NotificationCursorsTable;
  notifications: NotificationsTable;
  notification_deliveries: NotificationDeliveriesTable;
  sessions: SessionsTable;
}

/** A database or a transaction on it. */
export type LedgerDatabase = Kysely<LedgerTables>;

/** Runs the ledger's work on the database and retries transient errors. */
export interface Runner {
  /** In a transaction. */
  change<T>(work: (trx: LedgerDatabase) => Promise<T>): Promise<T>;
  read<T>(work: (db: LedgerDatabase) => Promise<T>): Promise<T>;
}
