import { createApiKey } from '../../src/access/api-key';
import { checkApiKey } from '../../src/access/check-api-key';
import { TooManyLookupsError } from '../../src/access/batched-lookups';
import { RecentApiKeys } from '../../src/access/recent-api-keys';
import type { ApiKeys } from '../../src/contract/api-keys';
import { newKey, noonMs } from '../ledger/requests';
import { keysOfSqlite } from './sqlite-keys';

const ledger = keysOfSqlite();

let nowMs: number;
let queries: (readonly string[])[];
let recent: RecentApiKeys;
beforeEach(() => {
  nowMs = 1;
  queries = [];
  recent = counted(ledger.keys);
});

function counted(keys: Pick<ApiKeys, 'find' | 'findAll'>): RecentApiKeys {
  const counting = {
    find(id: string) {
      queries.push([id]);
      return keys.find(id);
    },
    findAll(ids: readonly string[]) {
      queries.push(ids);
      return keys.findAll(ids);
    },
  };
  return new RecentApiKeys(counting, () => nowMs);
}

async function createdKey(): Promise<{ readonly id: string; readonly text: string }> {
  const { id, text, secretHash } = createApiKey();
  await ledger.keys.create(newKey(id, { secretHash }));
  return { id, text };
}

const check = (text: string) => checkApiKey(recent, text, noonMs);
const madeUp = (count: number) => Array.from({ length: count }, () => createApiKey().text);

test('a key is read once, however many requests arrive together', async () => {
  const { id, text } = await createdKey();
  const checks = await Promise.all(Array.from({ length: 50 }, () => check(text)));
  for (const checked of checks) expect(checked).toMatchObject({ kind: 'valid', key: { id } });
  expect(queries).toEqual([[id]]);
});

test('a key is read again after a second, so that one that was revoked meanwhile is refused', async () => {
  const { id, text } = await createdKey();
  await check(text);
  await ledger.keys.revoke(id, noonMs);
  nowMs += 999;
  expect(await check(text)).toMatchObject({ kind: 'valid' });
  nowMs += 2;
  expect(await check(text)).toEqual({ kind: 'refused', reason: 'revoked' });
  expect(queries).toEqual([[id], [id]]);
});

test('a key is read again at once if reading failed, when it is new and when it is in use', async () => {
  const { id } = await createdKey();
  let isAway = true;
  const failing = counted({
    find: (one) => (isAway ? Promise.reject(new Error('away')) : ledger.keys.find(one)),
    findAll: (ids) => (isAway ? Promise.reject(new Error('away')) : ledger.keys.findAll(ids)),
  });
  await expect(failing.find(id)).rejects.toThrow('away');
  isAway = false;
  await expect(failing.find(id)).resolves.toMatchObject({ id });
  nowMs += 1_001;
  isAway = true;
  await expect(failing.find(id)).rejects.toThrow('away');
  await expect(failing.find(id)).rejects.toThrow('away');
  isAway = false;
  await expect(failing.find(id)).resolves.toMatchObject({ id });
  expect(queries).toHaveLength(5);
});

describe('made-up ids', () => {
  test('share their queries: a thousand at once take one, and again within a second none', async () => {
    const texts = madeUp(1_000);
    const refused = { kind: 'refused', reason: 'unknown' };
    for (const checked of await Promise.all(texts.map(check))) expect(checked).toEqual(refused);
    expect(queries.map((ids) => ids.length)).toEqual([1_000]);
    await Promise.all(texts.map(check));
    expect(queries).toHaveLength(1);
  });

  test('one after the other, wait for their turn: ten queries a second at most', async () => {
    const startedAtMs = performance.now();
    for (const text of madeUp(6)) await check(text);
    expect(queries).toHaveLength(6);
    // Five rests; a timer may fire a millisecond early.
    expect(performance.now() - startedAtMs).toBeGreaterThan(5 * 99);
  });

  test('do not keep out a key that was just created', async () => {
    const { id, text } = await createdKey();
    const others = madeUp(1_000).map(check);
    expect(await check(text)).toMatchObject({ kind: 'valid', key: { id } });
    await Promise.all(others);
    expect(queries.length).toBeLessThanOrEqual(2);
  });

  test('do not displace a key in use, nor fill the memory', async () => {
    const { id, text } = await createdKey();
    await check(text);
    const texts = madeUp(10_240);
    for (let from = 0; from < texts.length; from += 1_024) {
      await Promise.all(texts.slice(from, from + 1_024).map(check));
    }
    queries = [];
    expect(await check(text)).toMatchObject({ kind: 'valid' });
    expect(queries).toEqual([]);
    nowMs += 1_001;
    // On its own, without waiting for them.
    const flood = texts.slice(0, 100).map(check);
    expect(await check(text)).toMatchObject({ kind: 'valid' });
    expect(queries).toContainEqual([id]);
    await Promise.all(flood);
  });

  test('the oldest are forgotten first', async () => {
    const ids = Array.from({ length: 10_240 }, (_, index) => `id-${index}`);
    for (let from = 0; from < ids.length; from += 1_024) {
      await Promise.all(ids.slice(from, from + 1_024).map((id) => recent.find(id)));
    }
    queries = [];
    await recent.find('id-10239');
    await recent.find('id-300');
    expect(queries).toEqual([]);
    await recent.find('id-0');
    expect(queries).toEqual([['id-0']]);
  });

  test('beyond what one query takes, are refused for the moment, and nothing is said about the key', async () => {
    const results = await Promise.allSettled(madeUp(1_100).map(check));
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused).toHaveLength(1_100 - 1_024);
    for (const { reason } of refused) expect(reason).toBeInstanceOf(TooManyLookupsError);
    const { text } = await createdKey();
    expect(await check(text)).toMatchObject({ kind: 'valid' });
  });
});
