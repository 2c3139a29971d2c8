import { checkLedgerDirectory } from '../config/data-directory';
import { loadSettings } from '../config/load-settings';
import type { Settings } from '../config/settings';
import type { Ledger } from '../contract/ledger';
import { LedgerNotMigratedError, openLedger } from '../ledger/open-ledger';

/**
 * Opens the ledger without migrating or creating it; workers and `bellwether setup` do that. If there is no ledger,
 * calls `whenAbsent` with the database's name.
 */
export async function openLedgerIfAny<Absent>(
  settings: Settings,
  whenAbsent: (database: string) => Absent | Promise<Absent>,
): Promise<Ledger | Absent> {
  checkLedgerDirectory(settings);
  try {
    return await openLedger(settings, { migrate: false });
  } catch (error) {
    if (error instanceof LedgerNotMigratedError && error.isAbsent) return whenAbsent(error.database);
    throw error;
  }
}

/** Opens the ledger, runs `work` and closes it; see `openLedgerIfAny`. */
export async function withLedger<T, Absent>(
  work: (ledger: Ledger, settings: Settings) => Promise<T>,
  whenAbsent: (database: string, settings: Settings) => Absent | Promise<Absent>,
): Promise<T | Absent> {
  const settings = loadSettings();
  const opened = await openLedgerIfAny(settings, async (database) => ({
    absent: await whenAbsent(database, settings),
  }));
  if ('absent' in opened) return opened.absent;
  try {
    return await work(opened, settings);
  } finally {
    await opened.close();
  }
}
