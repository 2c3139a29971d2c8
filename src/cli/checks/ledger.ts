import { checkLedgerDirectory } from '../../config/data-directory';
import type { Settings } from '../../config/settings';
import { LedgerNotMigratedError, openLedger } from '../../ledger/open-ledger';
import type { Check, CheckOutcome } from './check';

/** A database that restarts may take longer, and a check is to say so rather than to wait for it. */
const giveUpAfterMs = 10_000;

const setupAdvice = 'Run: npx bellwether setup; or start a worker, which does the same to the ledger.';

/** Opens the ledger, and changes nothing in it: what is pending is told. */
export function ledgerCheck({ databaseUrl, dataDirectory }: Settings): Check {
  return {
    name: 'Ledger',
    advice: databaseUrl ? 'Is DATABASE_URL right, and the database up?' : `May this user write in ${dataDirectory}?`,
    async run() {
      checkLedgerDirectory({ databaseUrl, dataDirectory });
      try {
        const ledger = await openLedger({ databaseUrl, dataDirectory, giveUpAfterMs }, { migrate: false });
        try {
          return { status: 'ok', detail: await ledger.check() };
        } finally {
          await ledger.close();
        }
      } catch (error) {
        if (error instanceof LedgerNotMigratedError) return notMigrated(error);
        throw error;
      }
    },
  };
}

function notMigrated({ database, isAbsent, pending }: LedgerNotMigratedError): CheckOutcome {
  if (isAbsent) return { status: 'skipped', detail: `${database}, made by the first start or by setup` };
  const detail = `${database} is older than this program, pending: ${pending.join(', ')}`;
  return { status: 'failed', detail, advice: setupAdvice };
}
