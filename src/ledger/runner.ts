import type { LedgerDatabase } from './schema';

/** How the ledger runs its work on the database, passing faults waited out. */
export interface Runner {
  /** In a transaction. */
  change<T>(work: (trx: LedgerDatabase) => Promise<T>): Promise<T>;
  read<T>(work: (db: LedgerDatabase) => Promise<T>): Promise<T>;
}
