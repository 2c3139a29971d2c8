import { type LedgerLocation, migrateLedger } from '../../../src/ledger/open-ledger';

/** Opens and migrates the ledger at the given time, so that several processes do it at once; prints what it applied. */
async function main(): Promise<void> {
  const location = JSON.parse(process.argv[2] ?? '') as LedgerLocation;
  const startAtMs = Number(process.argv[3]);
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, startAtMs - Date.now())));
  console.log(JSON.stringify(await migrateLedger(location)));
}

void main();
