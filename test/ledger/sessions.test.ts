import type { Ledger } from '../../src/contract/ledger';
import { SessionDeletedError } from '../../src/contract/sessions';
import { openLedger } from '../../src/ledger/open-ledger';
import { describeOnEachDatabase, type TestDatabase } from '../support/ledgers';
import { admitRequest } from './requests';

describeOnEachDatabase('sessions of API keys', (databases) => {
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

  let turns = 0;
  const register = (sessionId: string | null, atMs: number, keyId = 'key') =>
    ledger.requests.register({ turnId: `t${++turns}`, keyId, sessionId, idempotencyKey: null, bodyHash: '', atMs });
  const listed = async (limit: number, after: string | null = null, keyId = 'key') =>
    (await ledger.sessions.list(keyId, limit, after))?.map(({ sessionId }) => sessionId);

  it('are listed page by page, the newest first, each key its own', async () => {
    for (const [sessionId, atMs] of [
      ['a', 1],
      ['c', 2],
      ['b', 2],
      ['d', 3],
    ] as const)
      await register(sessionId, atMs);
    await register('other', 2, 'other');
    await register('a', 9);
    await register(null, 10);
    expect(await listed(3)).toEqual(['d', 'c', 'b']);
    expect(await listed(3, 'b')).toEqual(['a']);
    expect(await listed(2, 'c')).toEqual(['b', 'a']);
    expect(await listed(3, 'a')).toEqual([]);
    expect(await listed(3, 'other')).toBeUndefined();
    expect(await listed(3, 'unknown')).toBeUndefined();
    expect(await ledger.sessions.find('a')).toEqual({
      sessionId: 'a',
      keyId: 'key',
      createdAtMs: 1,
      lastAtMs: 9,
      state: 'open',
      turns: 2,
      spentNanoUsd: 0,
      deletedAtMs: null,
    });
    expect(await ledger.sessions.find('unknown')).toBeNull();
  });

  it('say what they cost, who answers and whether they are closed', async () => {
    await register('a', 1);
    const worker = await openLedger(await database.atRunTime('bellwether_worker'));
    await worker.admit(admitRequest('turn', 400, { sessionId: 'a' }));
    await worker.recordTurn({
      turnId: 'turn',
      outcome: 'degraded',
      target: null,
      model: null,
      error: 'none',
      settlements: [],
      dayCapNanoUsd: 1_000,
    });
    await worker.postAbandonedReservations(-1);
    await worker.sessions.setHandedOver('a', 5);
    expect(await ledger.sessions.find('a')).toMatchObject({ state: 'handed_over', spentNanoUsd: 400 });
    await worker.sessions.setHandedOver('a', null);
    expect(await ledger.sessions.find('a')).toMatchObject({ state: 'open' });
    await worker.closeSession('a', 6);
    expect(await ledger.sessions.find('a')).toMatchObject({ state: 'closed', spentNanoUsd: 400 });
    expect(await listed(3)).toEqual(['a']);
    await worker.close();
  });

  it('that are deleted take nothing more and are listed no more, and their deletion is found until it has ended', async () => {
    await register('a', 1);
    expect(await ledger.sessions.beginDeletion('unknown', 2)).toBe(false);
    expect(await ledger.sessions.beginDeletion('a', 2)).toBe(true);
    expect(await ledger.sessions.beginDeletion('a', 3)).toBe(true);
    await expect(register('a', 4)).rejects.toThrow(SessionDeletedError);
    expect(await ledger.requests.find(`t${turns}`)).toBeNull();
    expect(await listed(3)).toEqual([]);
    expect(await ledger.sessions.find('a')).toMatchObject({ state: 'closed', deletedAtMs: 2, turns: 1 });
    expect(await ledger.sessions.unfinishedDeletions(9)).toEqual(['a']);
    await ledger.sessions.endDeletion('a', 5);
    await ledger.sessions.endDeletion('a', 6);
    expect(await ledger.sessions.unfinishedDeletions(9)).toEqual([]);
  });
});
