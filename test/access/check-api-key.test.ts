import { createApiKey } from '../../src/access/api-key';
import { checkApiKey } from '../../src/access/check-api-key';
import type { NewApiKey } from '../../src/contract/api-keys';
import { newKey, noonMs } from '../ledger/requests';
import { keysOfSqlite } from './sqlite-keys';

const ledger = keysOfSqlite();

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
