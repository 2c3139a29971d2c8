import type { NewApiKey } from '../../src/contract/api-keys';
import type { Ledger } from '../../src/contract/ledger';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';
import { newKey, noonMs } from './requests';

describeOnEachDatabase('API keys in the ledger', (databases) => {
  let ledger: Ledger;
  let opened: TestLedger;
  beforeEach(async () => {
    opened = await openTestLedger(databases);
    ({ ledger } = opened);
  });
  afterEach(() => opened.close());

  const limited: NewApiKey = newKey('bbb', {
    role: 'operator',
    dayNanoUsd: 5_000_000_000,
    totalNanoUsd: 1_000_000_000_000_000,
    models: ['deepseek-v3.2', 'it\'s a "model"'],
    requestsPerMinute: 600,
    createdAtMs: noonMs + 1,
    expiresAtMs: noonMs + 1_000,
  });

  test('are found as they were created, with and without limits', async () => {
    await ledger.keys.create(newKey('aaa'));
    await ledger.keys.create(limited);
    expect(await ledger.keys.find('aaa')).toEqual({ ...newKey('aaa'), revokedAtMs: null });
    expect(await ledger.keys.find('bbb')).toEqual({ ...limited, revokedAtMs: null });
    expect(await ledger.keys.find('ccc')).toBeNull();
  });

  test.each([0, 1, 3, 4, 1_000])('of %i ids, those that exist are found together', async (others) => {
    await ledger.keys.create(newKey('one'));
    await ledger.keys.create(newKey('two'));
    const unknown = Array.from({ length: others }, (_, index) => `unknown-${index}`);
    const found = await ledger.keys.findAll(['one', ...unknown, 'two']);
    expect(new Set(found.map(({ id }) => id))).toEqual(new Set(['one', 'two']));
    expect(found).toContainEqual(await ledger.keys.find('one'));
    expect(await ledger.keys.findAll(unknown)).toEqual([]);
  });

  test('are listed oldest first, without their secrets', async () => {
    await ledger.keys.create(limited);
    await ledger.keys.create(newKey('aaa'));
    const { secretHash: _a, ...first } = newKey('aaa');
    const { secretHash: _b, ...second } = limited;
    const more = { revokedAtMs: null, spentNanoUsd: 0, spentTodayNanoUsd: 0 };
    expect(await ledger.keys.list(noonMs)).toEqual([
      { ...first, ...more },
      { ...second, ...more },
    ]);
  });

  test('created again are the same key, but an id never gets another key', async () => {
    await ledger.keys.create(limited);
    await ledger.keys.create(limited);
    await expect(ledger.keys.create({ ...limited, secretHash: 'other' })).rejects.toThrow('Create the key again');
    expect(await ledger.keys.find('bbb')).toMatchObject(limited);
  });

  test('revoked again keep the first time; an unknown key is reported', async () => {
    await ledger.keys.create(newKey('aaa'));
    expect(await ledger.keys.revoke('aaa', noonMs + 5)).toBe(true);
    expect(await ledger.keys.revoke('aaa', noonMs + 9)).toBe(true);
    expect(await ledger.keys.find('aaa')).toMatchObject({ revokedAtMs: noonMs + 5 });
    expect(await ledger.keys.revoke('ccc', noonMs)).toBe(false);
  });

  test.each(['dayNanoUsd', 'totalNanoUsd'])('cannot have a %s that is not an amount of money', async (field) => {
    await expect(ledger.keys.create(newKey('aaa', { [field]: 0.5 }))).rejects.toThrow(`${field} is 0.5`);
  });
});
