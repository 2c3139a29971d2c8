import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApiKey } from '../../src/access/api-key';
import { checkApiKey, RecentApiKeys } from '../../src/access/check-api-key';
import type { NewApiKey, StoredApiKey } from '../../src/contract/api-keys';
import type { Ledger } from '../../src/contract/ledger';
import { openLedger } from '../../src/ledger/open-ledger';
import { newKey, noonMs } from '../ledger/requests';

const dataDirectory = mkdtempSync(join(tmpdir(), 'bellwether-keys-'));
let ledger: Ledger;
beforeAll(async () => {
  ledger = await openLedger({ dataDirectory });
});
afterAll(async () => {
  await ledger.close();
  rmSync(dataDirectory, { recursive: true });
});

async function createdKey(over: Partial<NewApiKey> = {}): Promise<{ readonly id: string; readonly text: string }> {
  const { id, text, secretHash } = createApiKey();
  await ledger.keys.create(newKey(id, { secretHash, ...over }));
  return { id, text };
}

describe('checking an API key', () => {
  test('accepts a valid key and returns its details without the secret', async () => {
    const { id, text } = await createdKey({ dayNanoUsd: 5 });
    const { secretHash: _secretHash, ...key } = newKey(id, { dayNanoUsd: 5 });
    expect(await checkApiKey(ledger.keys, text, noonMs)).toEqual({ kind: 'valid', key: { ...key, revokedAtMs: null } });
  });

  test.each([
    ['missing', undefined],
    ['missing', ''],
    ['malformed', 'sk-something-else'],
    ['unknown', createApiKey().text],
  ])('refuses a %s key', async (reason, text) => {
    expect(await checkApiKey(ledger.keys, text, noonMs)).toEqual({ kind: 'refused', reason });
  });

  test('refuses a known id with a wrong secret as unknown, even if the key is revoked', async () => {
    const { id } = await createdKey();
    const otherSecret = createApiKey().text.slice('bw_'.length + id.length);
    expect(await checkApiKey(ledger.keys, `bw_${id}${otherSecret}`, noonMs)).toMatchObject({ reason: 'unknown' });
    await ledger.keys.revoke(id, noonMs);
    expect(await checkApiKey(ledger.keys, `bw_${id}${otherSecret}`, noonMs)).toMatchObject({ reason: 'unknown' });
  });

  test('refuses a key from the moment it expires', async () => {
    const { text } = await createdKey({ expiresAtMs: noonMs });
    expect(await checkApiKey(ledger.keys, text, noonMs - 1)).toMatchObject({ kind: 'valid' });
    expect(await checkApiKey(ledger.keys, text, noonMs)).toEqual({ kind: 'refused', reason: 'expired' });
  });

  test('refuses a revoked key, even if it has also expired', async () => {
    const { id, text } = await createdKey({ expiresAtMs: noonMs });
    await ledger.keys.revoke(id, noonMs);
    expect(await checkApiKey(ledger.keys, text, noonMs)).toEqual({ kind: 'refused', reason: 'revoked' });
  });
});

describe('recently checked keys', () => {
  let nowMs: number;
  let questions: string[];
  let recent: RecentApiKeys;
  const counting = (find: (id: string) => Promise<StoredApiKey | null>) => ({
    find(id: string) {
      questions.push(id);
      return find(id);
    },
  });
  beforeEach(() => {
    nowMs = 1;
    questions = [];
    recent = new RecentApiKeys(
      counting((id) => ledger.keys.find(id)),
      () => nowMs,
    );
  });

  test('are read once, however many requests arrive together', async () => {
    const { id, text } = await createdKey();
    const checks = await Promise.all(Array.from({ length: 50 }, () => checkApiKey(recent, text, noonMs)));
    for (const check of checks) expect(check).toMatchObject({ kind: 'valid', key: { id } });
    expect(questions).toEqual([id]);
  });

  test('are read again after a second, so that a key revoked meanwhile is refused', async () => {
    const { id, text } = await createdKey();
    await checkApiKey(recent, text, noonMs);
    await ledger.keys.revoke(id, noonMs);
    nowMs += 999;
    expect(await checkApiKey(recent, text, noonMs)).toMatchObject({ kind: 'valid' });
    nowMs += 2;
    expect(await checkApiKey(recent, text, noonMs)).toEqual({ kind: 'refused', reason: 'revoked' });
    expect(questions).toEqual([id, id]);
  });

  test('are read again at once if reading failed', async () => {
    const failing = new RecentApiKeys(counting(() => Promise.reject(new Error('away'))));
    await expect(failing.find('id')).rejects.toThrow('away');
    await expect(failing.find('id')).rejects.toThrow('away');
    expect(questions).toEqual(['id', 'id']);
  });

  test('and unknown ids are forgotten before they fill the memory', async () => {
    const ids = Array.from({ length: 10_001 }, (_, index) => `id-${index}`);
    const unknown = new RecentApiKeys(
      counting(() => Promise.resolve(null)),
      () => nowMs,
    );
    for (const id of ids) await unknown.find(id);
    questions = [];
    await unknown.find('id-10000');
    await unknown.find('id-1');
    expect(questions).toEqual([]);
    await unknown.find('id-0');
    expect(questions).toEqual(['id-0']);
  });
});
