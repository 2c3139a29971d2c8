import { join } from 'node:path';
import { LedgerUnavailableError } from '../../src/contract/ledger';
import { openLedger } from '../../src/ledger/open-ledger';
import { describeWithSmallDisk, mountSmallDisk, type SmallDisk } from '../support/small-disk';
import { describeOnPostgres, postgresDatabases } from '../support/ledgers';

describeWithSmallDisk('the check of a ledger', () => {
  let disk: SmallDisk;
  beforeEach(() => {
    disk = mountSmallDisk();
  });
  afterEach(() => disk.remove());

  test('fails on a full disk, although small writes still fit into the log of the file', async () => {
    const ledger = await openLedger({ dataDirectory: disk.directory });
    await ledger.check();
    disk.fill();
    const failure: unknown = await ledger.check().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(LedgerUnavailableError);
    expect(failure).toMatchObject({ isLasting: true, message: expect.stringContaining('The disk is full') });
    disk.free();
    await ledger.check();
    await ledger.close();
  });

  test('fails on a disk that can only be read', async () => {
    const dataDirectory = join(disk.directory, 'data');
    await (await openLedger({ dataDirectory })).close();
    disk.setReadOnly();
    const opened = openLedger({ dataDirectory }).then((ledger) => ledger.check());
    await expect(opened).rejects.toMatchObject({ isLasting: true, message: expect.stringContaining('can write') });
  });
});

describeOnPostgres('the check of a ledger', () => {
  test('fails on a database that can only be read', async () => {
    const database = await postgresDatabases.create();
    try {
      await (await openLedger(database.location)).close();
      const name = new URL(database.location.databaseUrl ?? '').pathname.slice(1);
      await database.query(`alter database ${name} set default_transaction_read_only = on`);
      const ledger = await openLedger({ ...database.location, giveUpAfterMs: 100 }, { migrate: false });
      await expect(ledger.check()).rejects.toThrow(LedgerUnavailableError);
      await ledger.close();
    } finally {
      await database.remove();
    }
  });
});
