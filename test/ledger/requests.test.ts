import type { Ledger, NewRequest } from '../../src/contract/ledger';
import { openLedger } from '../../src/ledger/open-ledger';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';
import { admitRequest, noonMs, settled, turnRecord, wideCaps } from './requests';

function request(turnId: string, over: Partial<NewRequest> = {}): NewRequest {
  const all = { turnId, keyId: 'key', sessionId: 'session', idempotencyKey: 'once', bodyHash: 'body', atMs: noonMs };
  return { ...all, ...over };
}

describeOnEachDatabase('requests of the gateway', (databases) => {
  let ledger: Ledger;
  let opened: TestLedger;
  beforeEach(async () => {
    opened = await openTestLedger(databases);
    ({ ledger } = opened);
  });
  afterEach(() => opened.close());

  const first = { turnId: 'one', keyId: 'key', sessionId: 'session', bodyHash: 'body', createdAtMs: noonMs };

  test('with a used idempotency key are the earlier request', async () => {
    expect(await ledger.requests.register(request('one'))).toEqual({ ...first, isNew: true });
    const again = request('two', { bodyHash: 'other', sessionId: null, atMs: noonMs + 1 });
    expect(await ledger.requests.register(again)).toEqual({ ...first, isNew: false });
    expect(await ledger.requests.find('two')).toBeNull();
    expect(await ledger.requests.findByKey('key', 'once')).toEqual(first);
    expect(await ledger.requests.findByKey('other', 'once')).toBeNull();
    expect(await ledger.requests.findByKey('key', 'one')).toBeNull();
  });

  test('are known by their key for ever, and by what they asked for a week', async () => {
    await ledger.requests.register(request('one'));
    await ledger.requests.register(request('two', { idempotencyKey: 'later', atMs: noonMs + 1 }));
    await ledger.requests.register(request('three', { idempotencyKey: null, bodyHash: '' }));
    const weekMs = 7 * 24 * 60 * 60 * 1000;
    expect(await ledger.requests.prune(noonMs + weekMs)).toBe(0);
    expect(await ledger.requests.prune(noonMs + weekMs + 1)).toBe(1);
    expect(await ledger.requests.findByKey('key', 'once')).toEqual({ ...first, bodyHash: '' });
    expect(await ledger.requests.findByKey('key', 'later')).toMatchObject({ turnId: 'two', bodyHash: 'body' });
    expect(await ledger.requests.prune(noonMs + weekMs + 1)).toBe(0);
  });

  test('that are old are forgotten in any number', async () => {
    const insert = 'insert into requests (turn_id, key_id, idempotency_key_hash, body_hash, created_at_ms)';
    const numbers = 'with recursive n (i) as (select 1 union all select i + 1 from n where i < 2500)';
    const select = `select 'turn-' || i, 'key', 'hash-' || i, 'body', 0 from n`;
    const isSqlite = databases.name === 'SQLite';
    await opened.database.query(
      isSqlite
        ? `${numbers} ${insert} ${select} returning turn_id`
        : `${insert} ${numbers} ${select} returning turn_id`,
    );
    expect(await ledger.requests.prune(noonMs)).toBe(2500);
    expect(await opened.database.query("select turn_id from requests where body_hash <> ''")).toEqual([]);
  });

  test('registered again after a lost answer are still new', async () => {
    for (const idempotencyKey of ['once', null]) {
      const mine = request(`turn-${idempotencyKey}`, { idempotencyKey });
      const answer = await ledger.requests.register(mine);
      expect(answer.isNew).toBe(true);
      expect(await ledger.requests.register({ ...mine, atMs: noonMs + 1 })).toEqual(answer);
    }
  });

  test.each([
    ['another API key', { keyId: 'other' }],
    ['another idempotency key', { idempotencyKey: 'Once' }],
    ['none', { idempotencyKey: null }],
  ])('with %s are separate', async (_title, over) => {
    await ledger.requests.register(request('one'));
    expect(await ledger.requests.register(request('two', over))).toMatchObject({ turnId: 'two', isNew: true });
    expect(await ledger.requests.register(request('three', { idempotencyKey: null }))).toMatchObject({ isNew: true });
  });

  test.each([
    ['API key', { keyId: 'other' }],
    ['request', { idempotencyKey: 'another' }],
  ])('never get the turn id of another %s', async (_title, over) => {
    await ledger.requests.register(request('one'));
    await expect(ledger.requests.register(request('one', over))).rejects.toThrow(
      'another request already has this turn id',
    );
    const without = request('one', { ...over, idempotencyKey: null });
    await expect(ledger.requests.register(without)).rejects.toThrow('another request already has this turn id');
  });

  test('do not store an idempotency key as it was sent', async () => {
    await ledger.requests.register(request('one', { idempotencyKey: 'order of jane@example.com \u{1F411}' }));
    const rows = await opened.database.query('select * from requests');
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain('jane');
  });

  test('say whether their response is stored, and forget it when it is deleted, for no other turn', async () => {
    const responseOf = async (turnId: string) => (await ledger.requests.find(turnId))?.response;
    for (const response of ['stored', 'unstored'] as const) {
      await ledger.requests.register(request(response, { idempotencyKey: null, response }));
    }
    await ledger.requests.register(request('other', { idempotencyKey: null, response: 'stored' }));
    expect(await responseOf('stored')).toBe('stored');
    expect(await responseOf('unstored')).toBe('unstored');
    await ledger.requests.deleteResponse('stored');
    expect(await responseOf('stored')).toBe('deleted');
    expect(await responseOf('other')).toBe('stored');
  });

  test('are found with the outcome of their turn', async () => {
    const outcomeOf = async (turnId: string) => (await ledger.requests.find(turnId))?.outcome;
    expect(await ledger.requests.find('one')).toBeNull();
    for (const turnId of ['one', 'two', 'three']) {
      await ledger.requests.register(request(turnId, { idempotencyKey: null }));
    }
    expect(await ledger.requests.find('one')).toEqual({
      ...first,
      outcome: 'in-progress',
      isAdmitted: false,
      response: null,
    });
    await ledger.admit(admitRequest('one', 400));
    expect(await outcomeOf('one')).toBe('in-progress');
    await ledger.recordTurn(turnRecord('one', [settled(1, 100)]));
    expect(await outcomeOf('one')).toBe('answered');
    await ledger.admit(admitRequest('two', 400));
    await ledger.recordTurn(turnRecord('two', [], { outcome: 'degraded' }));
    expect(await outcomeOf('two')).toBe('degraded');
    await ledger.admit(admitRequest('three', 400, { caps: { ...wideCaps, dayNanoUsd: 1 } }));
    expect(await outcomeOf('three')).toBe('refused');
  });

  test('are one request if 100 with one idempotency key arrive at once', async () => {
    const other = await openLedger(opened.database.location);
    const registered = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        [ledger, other][index % 2]!.requests.register(request(`turn-${index}`, { atMs: noonMs + index })),
      ),
    );
    await other.close();
    const winners = registered.filter(({ isNew }) => isNew);
    expect(winners).toHaveLength(1);
    for (const { isNew: _isNew, ...known } of registered) expect({ ...known, isNew: true }).toEqual(winners[0]);
    expect(await opened.database.query('select turn_id from requests')).toHaveLength(1);
  });
});
