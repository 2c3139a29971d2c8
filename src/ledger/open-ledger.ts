import { describePostgres } from './database-url';
import { defaultGiveUpAfterMs, type Patience, withPatience } from './failures';
import type { Ledger } from './ledger';
import { applyMigrations } from './migrations';
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
}

/**
 * Opens the ledger and applies pending migrations; several processes may do so at once. Throws LedgerUnavailableError
 * when the database cannot be used.
 */
export async function openLedger(location: LedgerLocation): Promise<Ledger> {
  const { db, patience } = await openMigrated(location);
  return new SqlLedger(db, patience);
}

/** Applies pending migrations and returns their names, for a set-up command that runs before any worker. */
export async function migrateLedger(location: LedgerLocation): Promise<readonly string[]> {
  const { db, applied } = await openMigrated(location);
  await db.destroy();
  return applied;
}

async function openMigrated(location: LedgerLocation) {
  const { database, open } = databaseOf(location);
  const patience: Patience = { database, giveUpAfterMs: location.giveUpAfterMs ?? defaultGiveUpAfterMs };
  return withPatience(patience, async () => {
    const db = open();
    try {
      return { db, patience, applied: await applyMigrations(db) };
    } catch (error) {
      await db.destroy();
      throw error;
    }
  });
}

function databaseOf({ databaseUrl, dataDirectory }: LedgerLocation): { database: string; open: () => LedgerDatabase } {
  if (databaseUrl === undefined || databaseUrl === '') {
    return { database: `SQLite ${sqliteFile(dataDirectory)}`, open: () => openSqlite(dataDirectory) };
  }
  return { database: describePostgres(databaseUrl), open: () => openPostgres(databaseUrl) };
}
