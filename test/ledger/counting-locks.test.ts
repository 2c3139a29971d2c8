/** Counting users in PostgreSQL, while other transactions have their rows locked. */
import { Client } from 'pg';
import type { Ledger } from '../../src/contract/ledger';
import { openLedger } from '../../src/ledger/open-ledger';
import { eventually } from '../support/eventually';
import { describeOnPostgres, openTestLedger, postgresDatabases, type TestLedger } from '../support/ledgers';
import { noonMs } from './requests';
import { playTurn, readEvidence, startRollout } from './user-rollouts';

describeOnPostgres('counting users', () => {
  let opened: TestLedger;
  let ledger: Ledger;
  let rollout: string;
  /** Stands for a turn, or a worker, that is in the middle of its transaction. */
  let other: Client;
  let third: Client;
  beforeEach(async () => {
    opened = await openTestLedger(postgresDatabases);
    ledger = opened.ledger;
    rollout = 'november';
    await startRollout(ledger, rollout);
    const { databaseUrl } = opened.database.location;
    [other, third] = [new Client(databaseUrl), new Client(databaseUrl)];
    await other.connect();
    await third.connect();
    await other.query('begin');
  });
  afterEach(async () => {
    await other.end();
    await third.end();
    await opened.close();
  });

  /** Fails if it waits for a lock. */
  async function countWithoutWaiting(): Promise<number> {
    const { location } = opened.database;
    const databaseUrl = `${location.databaseUrl}?options=-c%20lock_timeout%3D1000`;
    const impatient = await openLedger({ ...location, databaseUrl, giveUpAfterMs: 1 }, { migrate: false });
    try {
      return await impatient.rollouts.countUsers(noonMs + 10);
    } finally {
      await impatient.close();
    }
  }

  const lockUser = (client: Client, where: string, how = '') =>
    client.query(`select user_id from rollout_users where ${where} for update ${how}`);

  test('goes on with other users when a turn has one locked, however many there are, and takes it the next time', async () => {
    await other.query('commit');
    await other.query(
      `insert into rollout_users (rollout, bake, arm, user_id, language, first_at_ms, closes_at_ms, turns, exposed_turns, due_at_ms)
        select '${rollout}', 1, 'holysheep', user_id::text, 'en', ${noonMs}, ${noonMs + 1}, 1, 1, user_id
        from generate_series(1, 250) as user_id`,
    );
    await other.query('begin');
    await lockUser(other, `user_id in ('1', '2')`);
    expect(await countWithoutWaiting()).toBe(248);
    await other.query('commit');
    expect(await countWithoutWaiting()).toBe(2);
    expect((await readEvidence(ledger, rollout, { atMs: noonMs + 10 })).canary.users).toBe(250);
  });

  test('leaves a rollout to the worker that counts it already', async () => {
    await playTurn(ledger, { rollout, atMs: noonMs });
    await other.query('select rollout from rollout_folds for update');
    expect(await countWithoutWaiting()).toBe(0);
    await other.query('commit');
    expect(await countWithoutWaiting()).toBe(2);
  });

  test('leaves feedback to the worker that counts it already', async () => {
    const turnId = await playTurn(ledger, { rollout, atMs: noonMs });
    await ledger.recordFeedback({ turnId, signal: 'down', atMs: noonMs + 1 });
    await other.query('select turn_id from feedback for update');
    expect(await countWithoutWaiting()).toBe(2);
    await other.query('commit');
    await countWithoutWaiting();
    expect((await readEvidence(ledger, rollout, { atMs: noonMs + 10 })).canary.unhappyUsers).toBe(1);
  });

  /** Runs the work while the first row that it must lock is locked: it may hold none of the others. */
  async function expectLockedFirst(first: string, others: string, work: () => Promise<unknown>): Promise<void> {
    await lockUser(other, first);
    const working = work();
    try {
      const waiting = `select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      await eventually('it waits for the row', async () => (await opened.database.query(waiting)).length > 0);
      expect((await lockUser(third, others, 'nowait')).rowCount).toBe(2);
    } finally {
      await other.query('commit');
      await working;
    }
  }

  test('locks the users of an excluded time in the order of their names, not in that of their first turns', async () => {
    for (const [index, userId] of ['c', 'b', 'a'].entries()) {
      await playTurn(ledger, { rollout, userId, arm: 'legacy', atMs: noonMs + index });
    }
    const excluded = [{ fromMs: noonMs, toMs: noonMs + 9 }];
    await expectLockedFirst(`user_id = 'a'`, `user_id in ('b', 'c')`, () =>
      readEvidence(ledger, rollout, { excluded, atMs: noonMs + 10 }),
    );
  });

  test('locks the users who gave feedback in the order of bakes as numbers', async () => {
    for (const bake of [11, 10, 9]) {
      const turnId = await playTurn(ledger, { rollout, bake, arm: 'legacy', atMs: noonMs });
      await ledger.recordFeedback({ turnId, signal: 'down', atMs: noonMs + 1 });
    }
    await expectLockedFirst('bake = 9', 'bake in (10, 11)', () => ledger.rollouts.countUsers(noonMs + 10));
  });
});
