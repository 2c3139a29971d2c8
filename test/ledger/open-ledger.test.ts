import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LedgerUnavailableError } from '../../src/contract/ledger';
import { LedgerNotMigratedError, migrateLedger, openLedger } from '../../src/ledger/open-ledger';
import { describeOnEachDatabase, forgetLastMigration, type TestDatabase } from '../support/ledgers';
import { startTypescript } from '../support/typescript-program';
import { admitRequest } from './requests';

const allMigrations = [
  '0001_turns_attempts_budgets',
  '0002_rollouts',
  '0003_gateway',
  '0004_claimed_usage',
  '0005_images',
  '0006_keyed_hashes',
  '0007_workflow_of_turn',
  '0008_labels_and_feedback',
  '0009_rescue',
  '0010_evidence_by_users',
  '0011_failures_that_were_asked_for',
  '0012_page_data',
  '0013_page_sessions',
  '0014_notifications',
  '0016_faulty_users_by_key',
  '0017_turn_stops',
  '0018_sessions',
  '0019_cache_writes',
  '0021_responses',
];

describeOnEachDatabase('opening a ledger', (databases) => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await databases.create();
  });
  afterEach(() => database.remove());

  test('migrations are applied once and named', async () => {
    expect(await migrateLedger(database.location)).toEqual(allMigrations);
    expect(await migrateLedger(database.location)).toEqual([]);
  });

  test('several processes may open a new ledger at once', async () => {
    const startAtMs = Date.now() + 2_000; // when all of them have loaded their code
    const programs = Array.from({ length: 3 }, () =>
      startTypescript('ledger/programs/open-ledger.ts', JSON.stringify(database.location), String(startAtMs)),
    );
    for (const program of programs) {
      expect({ code: await program.ended, stderr: program.output.stderr }).toEqual({ code: 0, stderr: '' });
    }
    const applied = programs.flatMap((program) => JSON.parse(program.output.stdout) as string[]);
    expect(applied).toEqual(allMigrations);
  });

  test('a reopened ledger has everything that was in it', async () => {
    const first = await openLedger(database.location);
    await first.admit(admitRequest('turn', 400));
    await first.close();
    const second = await openLedger(database.location);
    expect(await second.attempts('turn')).toMatchObject([{ attempt: 1, state: 'reserved', reservedNanoUsd: 400 }]);
    await second.close();
  });

  test('a ledger that a newer version migrated is refused, and the error says what to do', async () => {
    await migrateLedger(database.location);
    await database.query(
      "insert into kysely_migration values ('9999_later', '2030-01-01T00:00:00.000Z') returning name",
    );
    await expect(openLedger(database.location)).rejects.toThrow('migrated by a newer version of Bellwether');
  });

  test('a reader gets an up-to-date ledger and can read it', async () => {
    await migrateLedger(database.location);
    const ledger = await openLedger(database.location, { migrate: false });
    expect(await ledger.costTotals()).toMatchObject({ turns: 0, attempts: 0 });
    await ledger.close();
  });

  test('a reader is told that there is no ledger yet, and creates none', async () => {
    const opening = openLedger(database.location, { migrate: false });
    await expect(opening).rejects.toThrow(LedgerNotMigratedError);
    await expect(opening).rejects.toThrow(/^There is no ledger yet in (SQLite|PostgreSQL) .*Run `bellwether setup`/);
    await expect(opening).rejects.toMatchObject({ isAbsent: true });
    if (databases.name === 'SQLite') expect(readdirSync(database.location.dataDirectory)).toEqual([]);
    else expect(await database.query("select 1 from pg_tables where schemaname = 'public'")).toEqual([]);
  });

  test('a reader is told what an older ledger lacks, and changes nothing', async () => {
    const migrated = await migrateLedger(database.location);
    await forgetLastMigration(database);
    const opening = openLedger(database.location, { migrate: false });
    await expect(opening).rejects.toThrow(LedgerNotMigratedError);
    await expect(opening).rejects.toThrow(/is older than this program and lacks 0.*Run `bellwether setup`/);
    await expect(opening).rejects.toMatchObject({ isAbsent: false, pending: migrated.slice(-1) });
    const names = await database.query<{ name: string }>('select name from kysely_migration order by name');
    expect(names.map(({ name }) => name)).toEqual(migrated.slice(0, -1));
  });

  test('a reader is told that a newer version migrated the ledger', async () => {
    await migrateLedger(database.location);
    await database.query(
      "insert into kysely_migration values ('9999_later', '2030-01-01T00:00:00.000Z') returning name",
    );
    const opening = openLedger(database.location, { migrate: false });
    await expect(opening).rejects.toThrow('migrated by a newer version of Bellwether');
  });

  test('the error for a wrong path says what to do', async () => {
    if (databases.name === 'SQLite') {
      const file = join(database.location.dataDirectory, 'file');
      writeFileSync(file, '');
      const opening = openLedger({ dataDirectory: join(file, 'data') });
      await expect(opening).rejects.toThrow(LedgerUnavailableError);
      await expect(opening).rejects.toThrow('Check that this user can write to the data directory.');
    } else {
      const databaseUrl = `${database.location.databaseUrl}_absent`;
      const opening = openLedger({ ...database.location, databaseUrl });
      await expect(opening).rejects.toThrow(LedgerUnavailableError);
      await expect(opening).rejects.toThrow('create it with CREATE DATABASE');
    }
  });
});

describe('DATABASE_URL', () => {
  const dataDirectory = 'never made';

  test.each([
    ['mysql://user:secret@host/db', 'starts with mysql://'],
    ['user:secret@host/db', 'starts with user://'],
    ['host/secret', 'is not a URL'],
    ['postgres://user:sec ret@ho st/db', 'is not a URL'],
  ])('%s is refused without repeating it', async (databaseUrl, message) => {
    const opening = openLedger({ databaseUrl, dataDirectory });
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.not.toThrow(/sec ?ret/);
  });

  test('for an unreachable server is retried for the given time, and then reported without its password', async () => {
    // Nothing listens on port 1, and the system never assigns it.
    const databaseUrl = 'postgresql://user:secret@127.0.0.1:1/db';
    const opening = openLedger({ databaseUrl, dataDirectory, giveUpAfterMs: 100 });
    await expect(opening).rejects.toThrow(LedgerUnavailableError);
    await expect(opening).rejects.toThrow('PostgreSQL 127.0.0.1:1/db');
    await expect(opening).rejects.not.toThrow('secret');
  });
});
