import { randomUUID } from 'node:crypto';
import type { KeyRing } from '../contract/key-ring';
import type { StoredImages } from '../contract/images';
import type { Notifications } from '../contract/notifications';
import type { Settlement, TurnTotals } from '../contract/turn';
import type { AnswerFlag } from '../contract/user-evidence';
import { admit, reserveAttempt } from './admission';
import type { ApiKeys } from '../contract/api-keys';
import { closeSessionScope, daySpending } from './budgets';
import { costsBy, costTotals, endedCalls, listAttempts, volume } from './costs';
import { type RetryOptions, withRetries } from './retries';
import type {
  AdmitRequest,
  AdmitResult,
  AttemptRow,
  CostDimension,
  CostPeriod,
  CostRow,
  CostTotals,
  DaySpending,
  FeedbackOutcome,
  InvoicedCall,
  Ledger,
  Requests,
  ReserveRequest,
  ReserveResult,
  TurnFeedback,
  TurnRecord,
} from '../contract/ledger';
import { recordFeedback } from './feedback';
import { flagAnswer, postAbandoned, recordTurn, settleAttempt, turnsWithReservationsOlderThan } from './recording';
import type { PageSessions } from '../contract/page-sessions';
import type { TurnStops } from '../contract/turn-stops';
import type { PageReads, PageTallies } from '../contract/page-ledger';
import type { Rollouts, Spending } from '../contract/rollout-ledger';
import type { Sessions } from '../contract/sessions';
import { SqlPageReads } from './page-reads';
import type { LedgerObserver } from '../contract/observers';
import { observedChange, observedRead } from './observed';
import { SqlPageTallies } from './page-tallies';
import type { LedgerDatabase, Runner } from './schema';
import { SqlApiKeys } from './sql-api-keys';
import { SqlImages } from './sql-images';
import { SqlPageSessions } from './sql-page-sessions';
import { SqlStops } from './sql-stops';
import { SqlNotifications } from './sql-notifications';
import { SqlRequests } from './sql-requests';
import { SqlRollouts } from './sql-rollouts';
import { SqlSessions } from './sql-sessions';

/** The ledger on SQLite or PostgreSQL. Retries on transient database errors, see `withRetries`. */
export class SqlLedger implements Ledger {
  private readonly run: Runner = {
    change: (work) => this.change(work),
    read: (work) => this.read(work),
  };
  readonly rollouts: Rollouts;
  readonly keys: ApiKeys = new SqlApiKeys(this.run);
  readonly requests: Requests = new SqlRequests(this.run);
  readonly images: StoredImages = new SqlImages(this.run);
  readonly page: PageReads = new SqlPageReads(this.run);
  readonly pageSessions: PageSessions = new SqlPageSessions(this.run);
  readonly tallies: PageTallies = new SqlPageTallies(this.run);
  readonly notifications: Notifications = new SqlNotifications(this.run);
  readonly sessions: Sessions = new SqlSessions(this.run);
  readonly stops: TurnStops = new SqlStops(this.run);

  constructor(
    private readonly db: LedgerDatabase,
    private readonly retryOptions: RetryOptions,
    /** Rejects when the database's disk is full, if this process can see it. */
    private readonly requireSpace: () => Promise<unknown>,
    auditKeys: KeyRing | undefined,
    private readonly observer: LedgerObserver | undefined,
  ) {
    this.rollouts = new SqlRollouts(this.run, auditKeys);
  }

  admit(request: AdmitRequest): Promise<AdmitResult> {
    return this.change((trx) => admit(trx, request));
  }

  reserveAttempt(request: ReserveRequest): Promise<ReserveResult> {
    return this.change((trx) => reserveAttempt(trx, request));
  }

  settleAttempt(turnId: string, settlement: Settlement, atMs?: number): Promise<void> {
    return this.change((trx) => settleAttempt(trx, turnId, settlement, atMs));
  }

  recordTurn(record: TurnRecord): Promise<TurnTotals> {
    return this.change((trx) => recordTurn(trx, record));
  }

  flagAnswer(turnId: string, flag: AnswerFlag, atMs?: number): Promise<void> {
    return this.change((trx) => flagAnswer(trx, turnId, flag, atMs));
  }

  recordFeedback(feedback: TurnFeedback): Promise<FeedbackOutcome> {
    return this.change((trx) => recordFeedback(trx, feedback));
  }

  closeSession(sessionId: string, atMs: number): Promise<void> {
    return this.change((trx) => closeSessionScope(trx, sessionId, atMs));
  }

  /** One transaction per turn, so that turns in flight do not have to wait for the locks of a long list. */
  async postAbandonedReservations(ageMs: number, atMs?: number): Promise<number> {
    let posted = 0;
    for (const turnId of await this.read((db) => turnsWithReservationsOlderThan(db, ageMs, atMs))) {
      posted += await this.change((trx) => postAbandoned(trx, turnId, ageMs, atMs));
    }
    return posted;
  }

  costTotals(period?: CostPeriod): Promise<CostTotals> {
    return this.read((db) => costTotals(db, period));
  }

  today(): Promise<DaySpending> {
    return this.read((db) => daySpending(db));
  }

  costsBy(
    dimensions: CostDimension | readonly CostDimension[],
    limit: number,
    period?: CostPeriod,
  ): Promise<readonly CostRow[]> {
    return this.read((db) => costsBy(db, [dimensions].flat(), limit, period));
  }

  volume(period?: CostPeriod): Promise<readonly Spending[]> {
    return this.read((db) => volume(db, period));
  }

  endedCalls(period: CostPeriod, limit: number): Promise<readonly InvoicedCall[]> {
    return this.read((db) => endedCalls(db, period, limit));
  }

  attempts(turnName?: string): Promise<readonly AttemptRow[]> {
    return this.read((db) => listAttempts(db, turnName));
  }

  get database(): string {
    return this.retryOptions.database;
  }

  /**
   * Commits a write that leaves no row. A read, or a write that is rolled back, would prove less, because both work on a full
   * disk, too. Uses a table in which both gateways and workers may insert and delete.
   */
  async check(): Promise<void> {
    await withRetries(this.retryOptions, () => observedRead(this.observer, () => this.requireSpace()));
    const row = { key_id: '', id: `check:${randomUUID()}`, size: 0, data: Buffer.alloc(0), expires_at_ms: 0 };
    await this.change(async (trx) => {
      await trx.insertInto('images').values(row).execute();
      await trx.deleteFrom('images').where('key_id', '=', row.key_id).where('id', '=', row.id).execute();
    });
  }

  async close(): Promise<void> {
    await this.db.destroy();
  }

  private change<T>(work: (trx: LedgerDatabase) => Promise<T>): Promise<T> {
    return withRetries(this.retryOptions, () => observedChange(this.observer, this.db, work));
  }

  private read<T>(work: (db: LedgerDatabase) => Promise<T>): Promise<T> {
    return withRetries(this.retryOptions, () => observedRead(this.observer, () => work(this.db)));
  }
}
