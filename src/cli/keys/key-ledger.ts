import { loadSettings } from '../../config/load-settings';
import type { Settings } from '../../config/settings';
import type { Ledger } from '../../ledger/ledger';

/** Opens the ledger for one command, or says that there is none yet. An older one is not migrated: workers do that. */
export async function useLedgerIfAny<T>(work: (ledger: Ledger, settings: Settings) => Promise<T>): Promise<T | null> {
  const settings = loadSettings();
  const ledger = await openIfAny(settings);
  return ledger === null ? null : closing(ledger, () => work(ledger, settings));
}

/** As above, but makes the ledger where there is none: a key may be the first thing that is wanted of a new service. */
export async function useLedger<T>(work: (ledger: Ledger, settings: Settings) => Promise<T>): Promise<T> {
  const settings = loadSettings();
  const { openLedger } = await import('../../ledger/open-ledger');
  const ledger = (await openIfAny(settings)) ?? (await openLedger(settings));
  return closing(ledger, () => work(ledger, settings));
}

async function openIfAny(settings: Settings): Promise<Ledger | null> {
  const { LedgerNotMigratedError, openLedger } = await import('../../ledger/open-ledger');
  try {
    return await openLedger(settings, { migrate: false });
  } catch (error) {
    if (error instanceof LedgerNotMigratedError && error.isAbsent) return null;
    throw error;
  }
}

async function closing<T>(ledger: Ledger, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await ledger.close();
  }
}
