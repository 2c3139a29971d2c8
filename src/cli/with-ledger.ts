import { checkLedgerDirectory } from '../config/data-directory';
import { loadSettings } from '../config/load-settings';
import type { Settings } from '../config/settings';
import type { Ledger } from '../ledger/ledger';

/**
 * Opens the ledger for one command. An older one is not migrated, which is for workers and `bellwether setup`; and where
 * there is none, none is made: `whenAbsent` says what to do then, and gets the database's name.
 */
export async function withLedger<T, Absent>(
  work: (ledger: Ledger, settings: Settings) => Promise<T>,
  whenAbsent: (database: string, settings: Settings) => Absent | Promise<Absent>,
): Promise<T | Absent> {
  const settings = loadSettings();
  checkLedgerDirectory(settings);
  const { LedgerNotMigratedError, openLedger } = await import('../ledger/open-ledger');
  let ledger: Ledger;
  try {
    ledger = await openLedger(settings, { migrate: false });
  } catch (error) {
    if (error instanceof LedgerNotMigratedError && error.isAbsent) return whenAbsent(error.database, settings);
    throw error;
  }
  try {
    return await work(ledger, settings);
  } finally {
    await ledger.close();
  }
}
