import { existsSync } from 'node:fs';
import { requireDiskSpace } from '../platform/disk-space';
import type { KeyRing } from '../contract/key-ring';
import type { Ledger } from '../contract/ledger';
import { LedgerUnavailableError } from '../contract/ledger';
import type { LedgerObserver } from '../contract/observers';
import { defaultGiveUpAfterMs, errorCode, type RetryOptions, withRetries } from './retries';
import { applyMigrations, readMigrations } from './migrations';
import { openPostgres } from './postgres';
import type { LedgerDatabase } from './schema';
import { SqlLedger } from './sql-ledger';
import { openSqlite, sqliteFile } from './sqlite';

export interface LedgerLocation {
  /** `postgres://…` or `postgresql://…`; omitted or empty: SQLite in `dataDirectory`. */
  readonly databaseUrl?: string | undefined;
  /** Created if it does not exist. Contains `ledger.db` if there is no URL. */
  readonly dataDirectory: string;
  /** How long to retry while the database is unavailable, when opening it and in every method. Default: 30 s. */
  readonly giveUpAfterMs?: number;
  /** false: SQLite waits less for the disk, but a power failure may lose the last commits. Default: true. */
  readonly survivesPowerLoss?: boolean;
  /** The keys for the hashes of the audit trail; omitted: plain hashes. */
  readonly auditKeys?: KeyRing | undefined;
}

export interface OpenOptions {
  /** true, the default: applies pending migrations. false: changes nothing, for commands that only read. */
  readonly migrate?: boolean;
  /** Told what happens. */
  readonly observer?: LedgerObserver | undefined;
}

/** The ledger's tables are older than this program or do not exist yet. The message says what to do. */
export class LedgerNotMigratedError extends Error {
  override readonly name = 'LedgerNotMigratedError';

  constructor(
    /** A description of the database without credentials: `SQLite /path/ledger.db`. */
    readonly database: string,
    /** Whether there is no ledger at all. */
    readonly isAbsent: boolean,
    /** The names of the missing migrations. */
    readonly pending: readonly string[],
    advice = 'Run `bellwether setup`, or start a worker, which also migrates it.',
  ) {
    const lack = isAbsent
      ? 'There is no ledger yet in'
      : `The ledger is older than this program and lacks ${pending.join(', ')}:`;
    super(`${lack} ${database}. ${advice}`);
  }
}

/**
 * Opens the ledger and applies pending migrations; several processes may do so at once.
 * @throws LedgerUnavailableError when the database cannot be used
 * @throws LedgerNotMigratedError when migrations are pending, and `migrate` is false or the user may not apply them
 */
export async function openLedger(
  location: LedgerLocation,
  { migrate = true, observer }: OpenOptions = {},
): Promise<Ledger> {
  const { db, retryOptions, requireSpace } = migrate ? await openMigrated(location) : await openUnchanged(location);
  return new SqlLedger(db, retryOptions, requireSpace, location.auditKeys, observer);
}

/** Applies pending migrations and returns their names, for a setup command that runs before any worker. */
export async function migrateLedger(location: LedgerLocation): Promise<readonly string[]> {
  const { db, applied } = await openMigrated(location);
  await db.destroy();
  return applied;
}

function openMigrated(location: LedgerLocation) {
  const { database } = databaseOf(location);
  return openWith(location, async (db) => {
    try {
      return await applyMigrations(db);
    } catch (error) {
      if (errorCode(error) !== insufficientPrivilege) throw error;
      const { applied, pending } = await readMigrations(db);
      if (pending.length === 0) throw error;
      throw new LedgerNotMigratedError(database, applied.length === 0, pending, ownerMigrates);
    }
  });
}

/** SQLSTATE. */
const insufficientPrivilege = '42501';

const ownerMigrates =
  'The user in DATABASE_URL may not change its tables, so run `bellwether setup` as the user that owns them. ' +
  'With docker-compose.yml: `docker compose run --rm setup`, then `docker compose run --rm ledger-rights`.';

async function openUnchanged(location: LedgerLocation) {
  const { database, isAbsent } = databaseOf(location);
  // Opening would create the file.
  if (isAbsent) throw new LedgerNotMigratedError(database, true, []);
  return openWith(location, async (db) => {
    const { applied, pending } = await readMigrations(db);
    if (pending.length > 0) throw new LedgerNotMigratedError(database, applied.length === 0, pending);
    return applied;
  });
}

/** Opens the database and runs `work` on it; closes it if that fails. */
async function openWith(location: LedgerLocation, work: (db: LedgerDatabase) => Promise<readonly string[]>) {
  const { database, open, requireSpace } = databaseOf(location);
  const retryOptions: RetryOptions = { database, giveUpAfterMs: location.giveUpAfterMs ?? defaultGiveUpAfterMs };
  return withRetries(retryOptions, async () => {
    let db: LedgerDatabase | undefined;
    try {
      db = open();
      return { db, retryOptions, requireSpace, applied: await work(db) };
    } catch (error) {
      await db?.destroy();
      // On a full disk, SQLite cannot create its shared memory, and reports an I/O error.
      if (errorCode(error).startsWith('SQLITE_IOERR')) await requireSpace();
      throw error;
    }
  });
}

interface NamedDatabase {
  readonly database: string;
  readonly isAbsent: boolean;
  readonly open: () => LedgerDatabase;
  readonly requireSpace: () => Promise<unknown>;
}

function databaseOf({ databaseUrl, dataDirectory, survivesPowerLoss }: LedgerLocation): NamedDatabase {
  if (databaseUrl === undefined || databaseUrl === '') {
    const file = sqliteFile(dataDirectory);
    return {
      database: `SQLite ${file}`,
      isAbsent: !existsSync(file),
      open: () => openSqlite(dataDirectory, survivesPowerLoss),
      requireSpace: () => requireDiskSpace(dataDirectory),
    };
  }
  return {
    database: describePostgres(databaseUrl),
    isAbsent: false,
    open: () => openPostgres(databaseUrl),
    // Its disk is on another machine, or not visible from here.
    requireSpace: async () => undefined,
  };
}

/**
 * Describes the database of a URL without its credentials: `PostgreSQL db.example:5432/bellwether`.
 * @throws LedgerUnavailableError for a URL of anything but PostgreSQL; the message never repeats the URL, which contains a
 *   password
 */
function describePostgres(databaseUrl: string): string {
  if (!URL.canParse(databaseUrl)) {
    throw new LedgerUnavailableError(`DATABASE_URL is not a URL. ${urlHint}`);
  }
  const url = new URL(databaseUrl);
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') {
    throw new LedgerUnavailableError(
      `DATABASE_URL starts with ${url.protocol}//, which the ledger does not support. ${urlHint}`,
    );
  }
  const host = url.searchParams.get('host') ?? (url.hostname === '' ? 'localhost' : url.hostname);
  const port = url.searchParams.get('port') ?? (url.port === '' ? '5432' : url.port);
  return `PostgreSQL ${host}:${port}${url.pathname}`;
}

const urlHint =
  'Use postgres://user:password@host:5432/database (with special characters in the password percent-encoded), ' +
  'or unset it for SQLite in the data directory.';
