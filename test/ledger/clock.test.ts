/** A process whose clock is wrong, and a database whose clock is right. */
import type { Ledger } from '../../src/contract/ledger';
import { rollBackInLedger } from '../../src/client/rollback';
import { describeOnEachDatabase, openTestLedger, type TestDatabase, type TestLedger } from '../support/ledgers';
import { admitRequest, dayMs, newKey, reserveRequest, settled, turnRecord } from './requests';
import { defaultArm, entry } from './rollout-entries';

const now = { atMs: undefined };
const minuteMs = 60_000;

describeOnEachDatabase('a process whose clock is wrong by a day', (databases) => {
  let ledger: Ledger;
  let database: TestDatabase;
  let opened: TestLedger;
  beforeEach(async () => {
    opened = await openTestLedger(databases);
    ({ ledger, database } = opened);
  });
  afterEach(async () => {
    jest.useRealTimers();
    await opened.close();
  });

  /** Only the clock: timers go on. */
  function setClockWrong(byMs: number): void {
    const timers = ['hrtime', 'nextTick', 'performance', 'queueMicrotask', 'setImmediate', 'setInterval'] as const;
    const others = ['clearImmediate', 'clearInterval', 'clearTimeout', 'setTimeout'] as const;
    jest.useFakeTimers({ now: Date.now() + byMs, doNotFake: [...timers, ...others] });
  }

  /** The database's day, read by a statement of the test's own. */
  async function databaseDay(): Promise<string> {
    const today =
      databases.name === 'SQLite' ? `date('now')` : `to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD')`;
    const [row] = await database.query<{ today: string }>(`select ${today} as today`);
    return row!.today;
  }

  /** Runs it again if midnight fell into it. */
  async function withinOneDay(work: (day: string) => Promise<void>): Promise<void> {
    const day = await databaseDay();
    try {
      await work(day);
    } catch (error) {
      if (day === (await databaseDay())) throw error;
      await work(await databaseDay());
    }
  }

  const scopes = async () =>
    (await database.query<{ scope: string }>('select scope from budgets order by scope')).map(({ scope }) => scope);

  test.each([dayMs, -dayMs])('books on the day of the database (%p ms)', async (byMs) => {
    await ledger.keys.create(newKey('key'));
    setClockWrong(byMs);
    await withinOneDay(async (day) => {
      const caps = { sessionNanoUsd: 1_000_000, dayNanoUsd: 1_000 };
      const turnId = crypto.randomUUID();
      await ledger.admit(admitRequest(turnId, 400, { ...now, caps, keyId: 'key' }));
      await ledger.reserveAttempt(reserveRequest(turnId, 300, { ...now, caps, keyId: 'key' }));
      expect((await ledger.attempts(turnId)).map((attempt) => attempt.day)).toEqual([day, day]);
      expect(await scopes()).toEqual([`day:${day}`, 'key:key', `key:key/day:${day}`, 'session:session']);
      const settlements = [settled(1, 100), settled(2, 200)];
      const totals = await ledger.recordTurn(turnRecord(turnId, settlements, { ...now, dayCapNanoUsd: 1_000 }));
      // What is left of the database's day; of any other, all of it would be left.
      expect(totals.remainingNanoUsd).toBe(700);
      // No day lies between admission and record.
      expect(totals.latencyMs).toBeLessThan(dayMs / 2);
      expect(await ledger.keys.list()).toMatchObject([{ spentTodayNanoUsd: 300 }]);
      expect(await ledger.costTotals()).toMatchObject({ today: day });
      // A cap of the right day is full, and not that of another one.
      const full = admitRequest('full', 800, { ...now, caps });
      expect(await ledger.admit(full)).toMatchObject({ kind: 'refused', scope: 'day', remainingNanoUsd: 700 });
      expect(await ledger.admit(full)).toMatchObject({ kind: 'refused', scope: 'day', remainingNanoUsd: 700 });
    });
  });

  test.each([dayMs, -dayMs])('posts no reservation of a live turn as abandoned (%p ms)', async (byMs) => {
    await ledger.admit(admitRequest('right', 400, now));
    setClockWrong(byMs);
    await ledger.admit(admitRequest('wrong', 400, now));
    expect(await ledger.postAbandonedReservations(10 * minuteMs)).toBe(0);
    jest.useRealTimers();
    expect(await ledger.postAbandonedReservations(10 * minuteMs)).toBe(0);
  });

  test.each([dayMs, -dayMs])('posts those that are old by the clock of the database (%p ms)', async (byMs) => {
    await ledger.admit(admitRequest('old', 400, now));
    await ledger.admit(admitRequest('young', 400, now));
    setClockWrong(byMs);
    await database.query(
      `update attempts set started_at_ms = started_at_ms - ${11 * minuteMs} where turn_id = 'old' returning turn_id`,
    );
    expect(await ledger.postAbandonedReservations(10 * minuteMs)).toBe(1);
    expect((await ledger.attempts('old')).map(({ state }) => state)).toEqual(['unconfirmed']);
    const [row] = await database.query<{ late: number | string }>(
      `select ended_at_ms - started_at_ms as late from attempts where turn_id = 'old'`,
    );
    expect(Number(row!.late)).toBeGreaterThanOrEqual(11 * minuteMs);
    expect(Number(row!.late)).toBeLessThan(dayMs / 2);
  });

  test.each([dayMs, -dayMs])(
    'records a rollback without Temporal at the time of the database (%p ms)',
    async (byMs) => {
      await ledger.rollouts.record(entry(1), defaultArm);
      setClockWrong(byMs);
      await rollBackInLedger(ledger.rollouts, 'november', { actor: 'ann', reason: 'complaints' });
      jest.useRealTimers();
      const { atMs } = (await ledger.rollouts.lastAuditRow())!;
      expect(Math.abs(atMs - Date.now())).toBeLessThan(dayMs / 2);
    },
  );
});
