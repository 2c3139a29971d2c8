import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiKeys } from '../../src/contract/api-keys';
import type { Ledger } from '../../src/contract/ledger';
import { openLedger } from '../../src/ledger/open-ledger';

/** A real ledger for the tests of one file. */
export function keysOfSqlite(): { readonly keys: ApiKeys } {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'bellwether-keys-'));
  let ledger: Ledger;
  beforeAll(async () => {
    ledger = await openLedger({ dataDirectory });
  });
  afterAll(async () => {
    await ledger.close();
    rmSync(dataDirectory, { recursive: true });
  });
  return {
    get keys() {
      return ledger.keys;
    },
  };
}
