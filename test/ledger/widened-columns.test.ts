/** A ledger from before token counts had 64 bits, with its data and its workers. */
import { Migrator } from 'kysely';
import { withRetries } from '../../src/ledger/retries';
import { migrations } from '../../src/ledger/migrations';
import { migrateLedger, openLedger } from '../../src/ledger/open-ledger';
import { openPostgres } from '../../src/ledger/postgres';
import type { LedgerDatabase } from '../../src/ledger/schema';
import { openSqlite } from '../../src/ledger/sqlite';
import { describeOnEachDatabase, type TestDatabase } from '../support/ledgers';
import { noonMs } from './requests';

const before = '0003_gateway';
const tokenColumns = ['prompt_tokens', 'cached_prompt_tokens', 'completion_tokens'] as const;

describeOnEachDatabase('a ledger from before its token counts had 64 bits', (databases) => {
  let database: TestDatabase;
  let old: LedgerDatabase;
  beforeEach(async () => {
    database = await databases.create();
    const { databaseUrl, dataDirectory } = database.location;
    old = databaseUrl === undefined ? openSqlite(dataDirectory) : openPostgres(databaseUrl);
    const migrator = new Migrator({ db: old, provider: { getMigrations: () => Promise.resolve(migrations) } });
    const { error } = await migrator.migrateTo(before);
    expect(error).toBeUndefined();
    await old
      .insertInto('turns')
      .values({ turn_id: 'old', session_id: 's', user_id: null, arm: 'holysheep', admitted_at_ms: noonMs })
      .execute();
    await old
      .insertInto('attempts')
      .values({
        turn_id: 'old',
        attempt: 1,
        request_id: 'request',
        owner: 'worker',
        session_id: 's',
        key_id: null,
        day: '2026-11-23',
        arm: 'holysheep',
        target: 'holysheep-primary',
        provider: 'holysheep',
        model: 'deepseek-v3.2',
        state: 'settled',
        reserved_nano_usd: 400,
        cost_nano_usd: 300,
        prompt_tokens: 2_147_483_647,
        cached_prompt_tokens: 5,
        completion_tokens: 7,
        outcome: 'answered',
        http_status: 200,
        latency_ms: 180,
        started_at_ms: noonMs,
        ended_at_ms: noonMs + 180,
      })
      .execute();
  });
  afterEach(async () => {
    await old.destroy();
    await database.remove();
  });

  /** Like an older worker: prepares a statement once per connection, and again when the connection is lost. */
  function asBefore<T>(work: (db: LedgerDatabase) => Promise<T>): Promise<T> {
    return withRetries({ database: databases.name, giveUpAfterMs: 50_000 }, () => work(old));
  }

  function readAsBefore() {
    return asBefore((db) => db.selectFrom('attempts').select(tokenColumns).where('turn_id', '=', 'old').execute());
  }

  test('keeps its data', async () => {
    expect(await migrateLedger(database.location)).toEqual(Object.keys(migrations).slice(3));
    const ledger = await openLedger(database.location);
    expect(await ledger.attempts('old')).toMatchObject([
      { state: 'settled', costNanoUsd: 300, promptTokens: 2_147_483_647, completionTokens: 7, usageNote: null },
    ]);
    expect(await ledger.costTotals()).toMatchObject({ tokens: 2_147_483_654, costNanoUsd: 300, disbelievedCalls: 0 });
    await ledger.close();
  });

  test('can be used by older workers before and after the migration', async () => {
    const kept = [{ prompt_tokens: 2_147_483_647, cached_prompt_tokens: 5, completion_tokens: 7 }];
    expect(await readAsBefore()).toEqual(kept);
    await migrateLedger(database.location);
    expect(await readAsBefore()).toEqual(kept);
    await asBefore((db) =>
      db.updateTable('attempts').set({ prompt_tokens: 3e9 }).where('turn_id', '=', 'old').execute(),
    );
    expect(await readAsBefore()).toMatchObject([{ prompt_tokens: 3e9 }]);
  });
});
