import { existsSync } from 'node:fs';
import type { Settings } from '../../config/settings';
import { openLedger } from '../../ledger/open-ledger';
import { sqliteFile } from '../../ledger/sqlite';
import type { Check } from './check';

/** A database that restarts takes longer, and a check is to say so rather than to wait for it. */
const giveUpAfterMs = 5_000;

/** Opens the ledger as a worker does, pending migrations included. */
export function ledgerCheck({ databaseUrl, dataDirectory }: Settings): Check {
  return {
    name: 'Ledger',
    advice: databaseUrl ? 'Is DATABASE_URL right, and the database up?' : `May this user write in ${dataDirectory}?`,
    async run() {
      if (!databaseUrl && !existsSync(sqliteFile(dataDirectory))) {
        const detail = `SQLite in ${dataDirectory}, made by the first start`;
        return { status: 'skipped', detail };
      }
      const ledger = await openLedger({ databaseUrl, dataDirectory, giveUpAfterMs });
      try {
        return { status: 'ok', detail: await ledger.check() };
      } finally {
        await ledger.close();
      }
    },
  };
}
