import { existsSync } from 'node:fs';
import type { Ledger } from '../contract/ledger';
import { LedgerUnavailableError } from '../contract/ledger';
import { defaultGiveUpAfterMs, type Patience, withPatience } from './failures';
import { applyMigrations, readMigrations } from './migrations';
import { openPostgres } from './postgres';
import type { LedgerDatabase } from './schema';
import { SqlLedger } from './sql-ledger';
import { openSqlite, sqliteFile } from './sqlite';

export interface LedgerLocation {
  /** `postgres://…` or `postgresql://…`; left out or empty: SQLite in `dataDirectory`. */
  readonly databaseUrl?: string | undefined;
  /** Made when it is missing. Holds `ledger.db` when there is no URL. */
  readonly dataDirectory: string;
  /** How long a database that does not answer is tried, when opening and by every method. Default 30 s. */
  readonly giveUpAfterMs?: number;
  /** false: a power loss may take the last commits of SQLite, for less waiting on the disk. Default true. */
  readonly survivesPowerLoss?: boolean;
}

export interface OpenOptions {
  /** false: changes nothing, for who only asks. Default true: applies pending migrations. */
  readonly migrate?: boolean;
}

/** The ledger's tables are older than this program, or are not there yet. The message says what to do. */
export class LedgerNotMigratedError extends Error {
  override readonly name = 'LedgerNotMigratedError';

  constructor(
    /** What the database is, without credentials: `SQLite /path/ledger.db`. */
    readonly database: string,
    /** Whether there is no ledger at all. */
    readonly isAbsent: boolean,
    /** The names of the migrations that it lacks. */
    readonly pending: readonly string[],
  ) {
    const lack = isAbsent
      ? 'There is no ledger yet in'
      : `The ledger is older than this program and lacks ${pending.join(', ')}:`;
    super(`${lack} ${database}. Run \`bellwether setup\`, or start a worker, which does the same to it.`);
  }
}

/**
 * Opens the ledger and applies pending migrations; several processes may do so at once. Throws LedgerUnavailableError
 * when the database cannot be used, and LedgerNotMigratedError when migrations are pending and not to be applied.
 */
export async function openLedger(location: LedgerLocation, { migrate = true }: OpenOptions = {}): Promise<Ledger> {
  const { db, patience } = migrate ? await openMigrated(location) : await openUnchanged(location);
  return new SqlLedger(db, patience);
}

/** Applies pending migrations and returns their names, for a set-up command that runs before any worker. */
export async function migrateLedger(location: LedgerLocation): Promise<readonly string[]> {
  const { db, applied } = await openMigrated(location);
  await db.destroy();
  return applied;
}

function openMigrated(location: LedgerLocation) {
  return openWith(location, applyMigrations);
}

async function openUnchanged(location: LedgerLocation) {
  const { database, isAbsent } = databaseOf(location);
  // Opening would make the file.
  if (isAbsent) throw new LedgerNotMigratedError(database, true, []);
  return openWith(location, async (db) => {
    const { applied, pending } = await readMigrations(db);
    if (pending.length > 0) throw new LedgerNotMigratedError(database, applied.length === 0, pending);
    return applied;
  });
}

/** Does the work on the opened database, and closes it when that fails. */
async function openWith(location: LedgerLocation, work: (db: LedgerDatabase) => Promise<readonly string[]>) {
  const { database, open } = databaseOf(location);
  const patience: Patience = { database, giveUpAfterMs: location.giveUpAfterMs ?? defaultGiveUpAfterMs };
  return withPatience(patience, async () => {
    const db = open();
    try {
      return { db, patience, applied: await work(db) };
    } catch (error) {
      await db.destroy();
      throw error;
    }
  });
}

interface NamedDatabase {
  readonly database: string;
  readonly isAbsent: boolean;
  readonly open: () => LedgerDatabase;
}

function databaseOf({ databaseUrl, dataDirectory, survivesPowerLoss }: LedgerLocation): NamedDatabase {
  if (databaseUrl === undefined || databaseUrl === '') {
    const file = sqliteFile(dataDirectory);
    return {
      database: `SQLite ${file}`,
      isAbsent: !existsSync(file),
      open: () => openSqlite(dataDirectory, survivesPowerLoss),
    };
  }
  return { database: describePostgres(databaseUrl), isAbsent: false, open: () => openPostgres(databaseUrl) };
}

/**
 * Says which database a URL means, without its credentials: `PostgreSQL db.example:5432/bellwether`. Throws
 * LedgerUnavailableError on a URL that is not PostgreSQL's; the message never repeats the URL, which holds a password.
 */
function describePostgres(databaseUrl: string): string {
  if (!URL.canParse(databaseUrl)) {
    throw new LedgerUnavailableError(`DATABASE_URL is not a URL. ${expected}`);
  }
  const url = new URL(databaseUrl);
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') {
    throw new LedgerUnavailableError(
      `DATABASE_URL begins with ${url.protocol}//, which the ledger does not know. ${expected}`,
    );
  }
  const host = url.searchParams.get('host') ?? (url.hostname === '' ? 'localhost' : url.hostname);
  const port = url.searchParams.get('port') ?? (url.port === '' ? '5432' : url.port);
  return `PostgreSQL ${host}:${port}${url.pathname}`;
}

const expected =
  'Use postgres://user:password@host:5432/database (special characters of the password percent-encoded), ' +
  'or unset it for SQLite in the data directory.';
