import { maxSessionsOfKey } from '../../src/contract/page-sessions';
import type { Ledger } from '../../src/contract/ledger';
import { openLedger } from '../../src/ledger/open-ledger';
import { describeOnEachDatabase, type TestDatabase } from '../support/ledgers';

describeOnEachDatabase('logins to the page', (databases) => {
  let database: TestDatabase;
  let ledger: Ledger;
  beforeEach(async () => {
    database = await databases.create();
    // Gateways keep them, with their rights alone.
    ledger = await openLedger(await database.atRunTime('bellwether_gateway'), { migrate: databases.name === 'SQLite' });
  });
  afterEach(async () => {
    await ledger.close();
    await database.remove();
  });

  const session = (idHash: string, createdAtMs = 0, keyId = 'key') => ({
    idHash,
    keyId,
    createdAtMs,
    expiresAtMs: createdAtMs + 1_000,
  });
  const found = async (...idHashes: string[]) =>
    (await ledger.pageSessions.findAll(idHashes)).map(({ idHash }) => idHash).toSorted();

  it('are found by what only the cookie leads to, and are gone once they have ended', async () => {
    const { pageSessions } = ledger;
    await pageSessions.create(session('a'));
    await pageSessions.create(session('b'));
    expect(await pageSessions.findAll(['a', 'other'])).toEqual([session('a')]);
    expect(await pageSessions.findAll([])).toEqual([]);
    await pageSessions.end('a');
    await pageSessions.end('a');
    expect(await found('a', 'b')).toEqual(['b']);
  });

  it('are written once, however often it is tried', async () => {
    await ledger.pageSessions.create(session('a'));
    await ledger.pageSessions.create(session('a'));
    expect(await found('a')).toEqual(['a']);
  });

  it('leave nothing behind when they have expired', async () => {
    await ledger.pageSessions.create(session('old', 0));
    await ledger.pageSessions.create(session('young', 500));
    await ledger.pageSessions.create(session('new', 1_000));
    expect(await found('old', 'young', 'new')).toEqual(['new', 'young']);
  });

  it('are limited for each key: the oldest make room', async () => {
    await ledger.pageSessions.create(session('others', 0, 'other'));
    const all = Array.from({ length: maxSessionsOfKey + 2 }, (_, index) => `session-${String(index).padStart(3, '0')}`);
    for (const [index, id] of all.entries()) await ledger.pageSessions.create(session(id, index));
    expect(await found('others', ...all)).toEqual(['others', ...all.slice(2)]);
  });
});
