import type { Ledger } from '../../src/contract/ledger';
import { describeOnEachDatabase, openTestLedger, type TestDatabase, type TestLedger } from '../support/ledgers';
import {
  admitRequest,
  dayMs,
  newKey,
  noonMs,
  released,
  reserveRequest,
  settled,
  turnRecord,
  unconfirmed,
  wideCaps,
} from './requests';

describeOnEachDatabase('budgets of API keys', (databases) => {
  let ledger: Ledger;
  let database: TestDatabase;
  let opened: TestLedger;
  beforeEach(async () => {
    opened = await openTestLedger(databases);
    ({ ledger, database } = opened);
  });
  afterEach(() => opened.close());

  const today = 'key:abc/day:2026-11-23';

  /** Spent and reserved by scope, for keys only. */
  async function keyBudgets(): Promise<Record<string, readonly [number, number]>> {
    const rows = await database.query<{ scope: string; spent: string; reserved: string }>(
      "select scope, spent_nano_usd as spent, reserved_nano_usd as reserved from budgets where scope like 'key:%'",
    );
    return Object.fromEntries(rows.map((row) => [row.scope, [Number(row.spent), Number(row.reserved)] as const]));
  }

  test('a turn without a key counts against none', async () => {
    await ledger.admit(admitRequest('one', 400));
    await ledger.admit(admitRequest('two', 400, { keyId: null }));
    await ledger.recordTurn(turnRecord('one', [settled(1, 100)]));
    expect(await keyBudgets()).toEqual({});
    expect(await ledger.attempts('one')).toMatchObject([{ keyId: null }]);
  });

  test.each([
    ['settled', settled(1, 120), 120],
    ['released', released(1), 0],
    ['unconfirmed', unconfirmed(1), 400],
  ])('an attempt counts against the key and its day, reserved and then %s', async (_state, settlement, spent) => {
    await ledger.keys.create(newKey('abc'));
    await ledger.admit(admitRequest('turn', 400, { keyId: 'abc' }));
    expect(await ledger.attempts('turn')).toMatchObject([{ keyId: 'abc' }]);
    expect(await keyBudgets()).toEqual({ 'key:abc': [0, 400], [today]: [0, 400] });
    await ledger.settleAttempt('turn', settlement);
    expect(await keyBudgets()).toEqual({ 'key:abc': [spent, 0], [today]: [spent, 0] });
  });

  test.each([
    ['total', { totalNanoUsd: 1_000 }],
    ['day', { dayNanoUsd: 1_000 }],
  ])(
    'a reservation that exactly fits the %s cap is admitted, and one nano-dollar more is refused',
    async (_title, caps) => {
      await ledger.keys.create(newKey('abc', caps));
      const keyId = 'abc';
      expect(await ledger.admit(admitRequest('one', 600, { keyId }))).toMatchObject({ kind: 'admitted' });
      const refused = { kind: 'refused', scope: 'key', remainingNanoUsd: wideCaps.dayNanoUsd };
      expect(await ledger.admit(admitRequest('two', 401, { keyId }))).toEqual(refused);
      expect(await keyBudgets()).toEqual({ 'key:abc': [0, 600], [today]: [0, 600] });
      expect(await ledger.admit(admitRequest('three', 400, { keyId }))).toMatchObject({ kind: 'admitted' });
    },
  );

  test('a refusal leaves no reservation on session and day, and repeating its request returns it again', async () => {
    await ledger.keys.create(newKey('abc', { totalNanoUsd: 399 }));
    await ledger.admit(admitRequest('one', 300, { keyId: 'abc' }));
    const request = admitRequest('two', 100, { keyId: 'abc' });
    const refusal = await ledger.admit(request);
    expect(refusal).toMatchObject({ kind: 'refused', scope: 'key' });
    expect(await ledger.admit(request)).toEqual(refusal);
    expect(await database.query('select scope from budgets where reserved_nano_usd <> 300')).toEqual([]);
    expect(await ledger.attempts('two')).toEqual([]);
  });

  test('a worst case above a cap is refused', async () => {
    await ledger.keys.create(newKey('abc', { dayNanoUsd: 0 }));
    expect(await ledger.admit(admitRequest('turn', 1, { keyId: 'abc' }))).toMatchObject({ scope: 'key' });
    expect(await database.query('select scope from budgets')).toEqual([]);
  });

  test.each([
    ['the day where both are full', { dayNanoUsd: 500, sessionNanoUsd: 10_000 }, 'day'],
    ['the key where the session is full too', { dayNanoUsd: 10_000, sessionNanoUsd: 500 }, 'key'],
  ])('a refusal names %s', async (_title, caps, scope) => {
    await ledger.keys.create(newKey('abc', { totalNanoUsd: 500 }));
    await ledger.admit(admitRequest('one', 400, { keyId: 'abc', caps }));
    expect(await ledger.admit(admitRequest('two', 400, { keyId: 'abc', caps }))).toMatchObject({ scope });
  });

  test('a second attempt counts against them too, on the day it was reserved', async () => {
    await ledger.keys.create(newKey('abc', { dayNanoUsd: 500, totalNanoUsd: 850 }));
    await ledger.admit(admitRequest('turn', 400, { keyId: 'abc' }));
    await ledger.settleAttempt('turn', unconfirmed(1));
    const next = { keyId: 'abc', atMs: noonMs + dayMs };
    expect(await ledger.reserveAttempt(reserveRequest('turn', 451, next))).toMatchObject({ scope: 'key' });
    expect(await ledger.reserveAttempt(reserveRequest('turn', 450, next))).toMatchObject({ attempt: 2 });
    await ledger.recordTurn(turnRecord('turn', [settled(1, 300), settled(2, 50)]));
    const tomorrow = 'key:abc/day:2026-11-24';
    expect(await keyBudgets()).toEqual({ 'key:abc': [350, 0], [today]: [300, 0], [tomorrow]: [50, 0] });
  });

  test.each(['revoked', 'unknown'])('an admitted turn of a %s key is finished', async (state) => {
    if (state === 'revoked') {
      await ledger.keys.create(newKey('abc', { totalNanoUsd: 1_000 }));
      await ledger.keys.revoke('abc', noonMs);
    }
    await ledger.admit(admitRequest('turn', 400, { keyId: 'abc' }));
    const next = await ledger.reserveAttempt(reserveRequest('turn', 400, { keyId: 'abc' }));
    expect(next).toMatchObject({ kind: 'reserved', attempt: 2 });
    await ledger.recordTurn(turnRecord('turn', [settled(2, 100)]));
    expect(await keyBudgets()).toEqual({ 'key:abc': [500, 0], [today]: [500, 0] });
  });

  test('the list shows what a key has spent, on the given day and in total', async () => {
    for (const id of ['abc', 'unused']) await ledger.keys.create(newKey(id));
    await ledger.admit(admitRequest('one', 400, { keyId: 'abc' }));
    await ledger.recordTurn(turnRecord('one', [settled(1, 120)]));
    await ledger.admit(admitRequest('two', 400, { keyId: 'abc', atMs: noonMs + dayMs }));
    await ledger.recordTurn(turnRecord('two', [unconfirmed(1)]));
    await ledger.admit(admitRequest('three', 400, { keyId: 'abc', atMs: noonMs + dayMs }));
    const listed = async (atMs: number) =>
      (await ledger.keys.list(atMs)).map((key) => [key.id, key.spentTodayNanoUsd, key.spentNanoUsd]);
    expect(await listed(noonMs)).toEqual([
      ['abc', 120, 520],
      ['unused', 0, 0],
    ]);
    expect(await listed(noonMs + dayMs)).toEqual([
      ['abc', 400, 520],
      ['unused', 0, 0],
    ]);
  });
});
