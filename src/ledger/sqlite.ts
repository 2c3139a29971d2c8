import { join } from 'node:path';
import type { Database } from 'better-sqlite3';
import { ExponentialBackoff, handleWhen, retry } from 'cockatiel';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDialect,
  SqliteDriver,
  type SqliteStatement,
} from 'kysely';
import { openSqliteFile } from '../platform/better-sqlite3';
import { createPrivateFile, makePrivateDirectory } from '../platform/private-directory';
import { errorCode } from './retries';
import type { LedgerDatabase, LedgerTables } from './schema';

/** Setting up the file may have to wait for another process that does the same; both take milliseconds. */
const openingWaitMs = 5_000;

/**
 * How long a statement may wait inside SQLite for another process. better-sqlite3 is synchronous, so this blocks the whole
 * process: just enough for a typical commit of another process. For longer waits, the driver below retries.
 */
const blockingWaitMs = 5;

export function sqliteFile(dataDirectory: string): string {
  return join(dataDirectory, 'ledger.db');
}

/** Opens the ledger's file, which several processes on one machine may share. */
export function openSqlite(dataDirectory: string, survivesPowerLoss = true): LedgerDatabase {
  makePrivateDirectory(dataDirectory);
  createPrivateFile(sqliteFile(dataDirectory));
  const database = openSqliteFile(sqliteFile(dataDirectory), { timeout: openingWaitMs });
  try {
    database.pragma('journal_mode = WAL');
    // FULL syncs every commit, so that no reservation is lost in a power failure. NORMAL could lose the last commits then,
    // though never when a process is killed. Measured on an SSD: 0.3 ms per commit (median), milliseconds on a busy disk.
    database.pragma(`synchronous = ${survivesPowerLoss ? 'FULL' : 'NORMAL'}`);
    database.pragma('foreign_keys = ON');
    database.pragma(`busy_timeout = ${blockingWaitMs}`);
  } catch (error) {
    database.close();
    throw error;
  }
  return new Kysely<LedgerTables>({ dialect: new SharedSqliteDialect(database) });
}

/** Kysely's SQLite dialect, for a file that other processes write to as well. */
class SharedSqliteDialect extends SqliteDialect {
  constructor(private readonly database: Database) {
    super({ database });
  }

  override createDriver(): Driver {
    return new SharedSqliteDriver(this.database);
  }

  override createAdapter(): SqliteAdapter {
    return new TransactionalSqliteAdapter();
  }
}

class TransactionalSqliteAdapter extends SqliteAdapter {
  /** SQLite's DDL is transactional. With this, the migrator uses one transaction, and processes wait for each other. */
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class SharedSqliteDriver extends SqliteDriver {
  /**
   * Waits for the write lock without blocking the event loop. At most 5 ms between tries, because a commit takes about one;
   * after about 5 s in total, the ledger's own retries take over.
   */
  private readonly whileBusy = retry(
    handleWhen((error) => errorCode(error) === 'SQLITE_BUSY'),
    { maxAttempts: 1_000, backoff: new ExponentialBackoff({ initialDelay: 1, maxDelay: 5 }) },
  );

  constructor(private readonly database: Database) {
    super({ database: withStatementCache(database) });
  }

  /** IMMEDIATE, because a deferred transaction that reads and then writes fails if another process wrote in between. */
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await this.whileBusy.execute(() => connection.executeQuery(CompiledQuery.raw('begin immediate')));
  }

  /** After a full disk or an I/O error, SQLite has already rolled back; a second rollback would hide the original error. */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.database.inTransaction) await super.rollbackTransaction(connection);
  }
}

/**
 * Caches the ledger's statements, whose number is bounded: see statement-sizes.ts. Measured: preparing them every time takes a
 * quarter of a turn's time here.
 */
function withStatementCache(database: Database): SqliteDatabase {
  const statements = new Map<string, SqliteStatement>();
  return {
    close: () => void database.close(),
    prepare(text) {
      const known = statements.get(text);
      if (known !== undefined) return known;
      const statement = database.prepare(text) as SqliteStatement;
      statements.set(text, statement);
      return statement;
    },
  };
}
