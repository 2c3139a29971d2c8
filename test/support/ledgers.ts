import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from 'better-sqlite3';
import { Client } from 'pg';
import { openSqliteFile } from '../../src/platform/better-sqlite3';
import type { Ledger } from '../../src/contract/ledger';
import { type LedgerLocation, migrateLedger, openLedger } from '../../src/ledger/open-ledger';
import { postgresUnavailable, sharedPostgresUrl } from './postgres';

const ledgerRights = readFileSync(join(__dirname, '../../deploy/postgres/ledger-rights.sql'), 'utf8');

/** Much of a test's time: a machine may stall for longer than a turn would wait. */
const giveUpAfterMs = 50_000;

/** An empty database for a ledger, with access to its tables. */
export interface TestDatabase {
  readonly location: LedgerLocation;
  /** The ledger as a process that runs in production opens it: migrated, and in PostgreSQL by a user with its rights alone. */
  atRunTime(user: RunTimeUser): Promise<LedgerLocation>;
  /** The rows of one statement. Integers without a cast have the type that the database's client returns. */
  query<Row>(statement: string): Promise<Row[]>;
  remove(): Promise<void>;
}

/** The users of deploy/postgres/ledger-rights.sql. */
export const runTimeUsers = ['bellwether_worker', 'bellwether_gateway'] as const;
type RunTimeUser = (typeof runTimeUsers)[number];

/** A kind of database. */
export interface TestDatabases {
  readonly name: 'SQLite' | 'PostgreSQL';
  create(): Promise<TestDatabase>;
}

class SqliteDatabases implements TestDatabases {
  readonly name = 'SQLite';

  create(): Promise<TestDatabase> {
    const dataDirectory = mkdtempSync(join(tmpdir(), 'bellwether-ledger-'));
    let reader: Database | undefined;
    // No test simulates a power failure.
    const location = { dataDirectory, giveUpAfterMs, survivesPowerLoss: false };
    return Promise.resolve({
      location,
      atRunTime: () => Promise.resolve(location),
      async query<Row>(statement: string) {
        reader ??= openSqliteFile(join(dataDirectory, 'ledger.db'));
        return reader.prepare(statement).all() as Row[];
      },
      async remove() {
        reader?.close();
        await rm(dataDirectory, { recursive: true });
      },
    });
  }
}

/** Databases of the server that all test files share. */
export class PostgresDatabases implements TestDatabases {
  readonly name = 'PostgreSQL';

  async create(): Promise<TestDatabase> {
    const url = sharedPostgresUrl();
    const name = `ledger_${crypto.randomUUID().replaceAll('-', '')}`;
    await administer(url, `create database ${name}`);
    const databaseUrl = url.replace(/[^/]*$/, name);
    const reader = new Client(databaseUrl);
    await reader.connect();
    const location = { databaseUrl, dataDirectory: tmpdir(), giveUpAfterMs };
    return {
      location,
      async atRunTime(user) {
        await migrateLedger(location);
        await reader.query(`begin; ${ledgerRights}; commit`);
        const runTime = new URL(databaseUrl);
        runTime.username = user;
        return { ...location, databaseUrl: runTime.href };
      },
      query: async <Row>(statement: string) => (await reader.query(statement)).rows as Row[],
      async remove() {
        await reader.end();
        await administer(url, `drop database ${name} with (force)`);
      },
    };
  }
}

export async function administer(url: string, statement: string): Promise<void> {
  const admin = new Client(url);
  await admin.connect();
  await admin.query(statement);
  await admin.end();
}

export const postgresDatabases: TestDatabases = new PostgresDatabases();

/**
 * Runs one suite against SQLite and against a real PostgreSQL. Without PostgreSQL, its half is reported as skipped,
 * with the reason; in CI it fails.
 */
export function describeOnEachDatabase(title: string, suite: (databases: TestDatabases) => void): void {
  describe(`${title} (SQLite)`, () => suite(new SqliteDatabases()));
  describeOnPostgres(title, () => suite(postgresDatabases));
}

/** Like `describe`, if there is a PostgreSQL. */
export function describeOnPostgres(title: string, suite: () => void): void {
  const reason = postgresUnavailable();
  if (reason === null) {
    describe(`${title} (PostgreSQL)`, suite);
  } else if (process.env.CI === 'true') {
    describe(`${title} (PostgreSQL)`, () => {
      test('CI has a PostgreSQL to test with', () => expect(reason).toBeNull());
    });
  } else {
    describe.skip(`${title} (PostgreSQL, skipped: ${reason})`, suite);
  }
}

export interface TestLedger {
  readonly ledger: Ledger;
  readonly database: TestDatabase;
  /** Closes the ledger and removes its database. */
  close(): Promise<void>;
}

/** Makes a ledger look like one of the previous version. */
export async function forgetLastMigration(database: TestDatabase): Promise<void> {
  const last = 'select max(name) from kysely_migration';
  await database.query(`delete from kysely_migration where name = (${last}) returning name`);
}

/** Opens a ledger on an empty database, with a worker's rights. */
export async function openTestLedger(databases: TestDatabases): Promise<TestLedger> {
  const database = await databases.create();
  const ledger = await openLedger(await database.atRunTime('bellwether_worker'));
  return {
    ledger,
    database,
    async close() {
      await ledger.close();
      await database.remove();
    },
  };
}
