import type { Ledger } from '../../src/contract/ledger';
import type { UserEvidence } from '../../src/contract/user-evidence';
import { migrateLedger } from '../../src/ledger/open-ledger';
import { openPostgres } from '../../src/ledger/postgres';
import type { LedgerDatabase } from '../../src/ledger/schema';
import { openSqlite } from '../../src/ledger/sqlite';
import { UserRollout } from '../domain/rollout/given-users';
import { describeOnEachDatabase, openTestLedger, type TestDatabase, type TestLedger } from '../support/ledgers';
import { noonMs } from './requests';
import { playTurn, readEvidence, startRollout } from './user-rollouts';

describeOnEachDatabase('users in trouble, by API key', (databases) => {
  let opened: TestLedger;
  let ledger: Ledger;
  beforeEach(async () => {
    opened = await openTestLedger(databases);
    ledger = opened.ledger;
    await startRollout(ledger, 'november');
  });
  afterEach(() => opened.close());

  /** Turns of as many users, each with one call. */
  async function play(keyId: string | null, arm: string, users: number, outcome: 'answered' | 'timeout' = 'answered') {
    const turns = Array.from({ length: users }, (_, user) => {
      const userId = `${outcome} ${user} of ${keyId}`;
      return playTurn(ledger, { rollout: 'november', atMs: noonMs, keyId, arm, userId }, outcome);
    });
    await Promise.all(turns);
  }

  async function playShop(): Promise<void> {
    await play('shop', 'legacy', 90);
    await play('shop', 'holysheep', 30);
  }

  const read = (over = {}) => readEvidence(ledger, 'november', { atMs: noonMs + 2, ...over });
  /** What a rollout makes of it in its first hour. */
  const decide = (evidence: UserEvidence) => new UserRollout().look(1, evidence);

  test('one key’s timeouts for users whom it invents hold the rollout, and name the key', async () => {
    await playShop();
    await play('hostile', 'holysheep', 9, 'timeout');
    const evidence = await read();
    expect(evidence.canaryFaultiestKeys).toEqual([
      {
        keyId: 'hostile',
        baseline: { users: 0, firstCalls: 0, firstCallFaults: 0, faultyUsers: 0 },
        canary: { users: 9, firstCalls: 9, firstCallFaults: 9, faultyUsers: 9 },
      },
    ]);
    expect(decide(evidence)).toMatchObject({ action: 'hold', reason: expect.stringContaining('one API key, hostile') });
    // A worker of an earlier version decides without the keys.
    const older = await read({ withFaultiestKeys: false });
    expect(older).not.toHaveProperty('canaryFaultiestKeys');
    expect(decide(older).action).toBe('roll-back');
  });

  test.each([['shop'], [null]])('an outage of the canary rolls back as before, with the key %s', async (keyId) => {
    await play(keyId, 'legacy', 54);
    await play(keyId, 'holysheep', 6, 'timeout');
    expect(decide(await read()).action).toBe('roll-back');
  });

  test('an outage is not hidden by a key that adds to it', async () => {
    await play('shop', 'legacy', 90);
    await play('shop', 'holysheep', 8, 'timeout');
    await play('hostile', 'holysheep', 12, 'timeout');
    await play('cover', 'holysheep', 40);
    expect(decide(await read()).action).toBe('roll-back');
  });

  test('excluded users are taken out of their key’s, and come back', async () => {
    await playShop();
    await play('hostile', 'holysheep', 9, 'timeout');
    const all = await read();
    const excluded = [{ fromMs: noonMs - 60_000, toMs: noonMs + 60_000 }];
    expect(await read({ excluded })).not.toHaveProperty('canaryFaultiestKeys');
    expect(await read()).toEqual(all);
  });

  test('a ledger from before they were counted has them for the rollout under way', async () => {
    await playShop();
    await play('hostile', 'holysheep', 9, 'timeout');
    const all = await read();
    await revert(opened.database);
    expect(await migrateLedger(opened.database.location)).toContain('0016_faulty_users_by_key');
    // New tables need their rights.
    await opened.database.atRunTime('bellwether_worker');
    expect(await read()).toEqual(all);
    // What is counted from then on is added to it.
    await play('hostile', 'holysheep', 10, 'timeout');
    expect((await read()).canaryFaultiestKeys?.[0]?.canary).toMatchObject({ users: 10, faultyUsers: 10 });
  });
});

/** Takes the migration back, and all that came after it, which the product cannot. */
async function revert({ location: { databaseUrl, dataDirectory } }: TestDatabase): Promise<void> {
  const db: LedgerDatabase = databaseUrl === undefined ? openSqlite(dataDirectory) : openPostgres(databaseUrl);
  for (const column of ['first_calls', 'first_call_faults', 'faulty_users']) {
    await db.schema.alterTable('rollout_key_users').dropColumn(column).execute();
  }
  for (const table of ['turn_stops', 'sessions']) await db.schema.dropTable(table).execute();
  await db.schema.alterTable('attempts').dropColumn('cache_write_tokens').execute();
  await db.schema.alterTable('requests').dropColumn('response').execute();
  await db
    .withTables<{ kysely_migration: { name: string } }>()
    .deleteFrom('kysely_migration')
    .where('name', '>=', '0016_faulty_users_by_key')
    .execute();
  await db.destroy();
}
