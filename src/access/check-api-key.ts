import { timingSafeEqual } from 'node:crypto';
import type { ApiKey, ApiKeys } from '../contract/api-keys';
import { hashSecret, parseApiKey } from './api-key';

export type ApiKeyCheck =
  { readonly kind: 'valid'; readonly key: ApiKey } | { readonly kind: 'refused'; readonly reason: ApiKeyRefusal };

/** `unknown` includes a wrong secret: without the whole key, a caller learns nothing about it. */
type ApiKeyRefusal = 'missing' | 'malformed' | 'unknown' | 'revoked' | 'expired';

/** Compared with when no key has the id, so that the check takes equally long. No secret has this hash. */
const dummyHash = Buffer.alloc(32).toString('hex');

/** Checks whether a key is valid. `keys` is the ledger's, or a `RecentApiKeys` in front of it. */
export async function checkApiKey(
  keys: Pick<ApiKeys, 'find'>,
  text: string | undefined,
  nowMs: number,
): Promise<ApiKeyCheck> {
  if (text === undefined || text === '') return refused('missing');
  const parsed = parseApiKey(text);
  if (parsed === null) return refused('malformed');
  const found = await keys.find(parsed.id);
  const secretHash = Buffer.from(found?.secretHash ?? dummyHash, 'hex');
  const isMatch = timingSafeEqual(hashSecret(parsed.secret), secretHash);
  if (found === null || !isMatch) return refused('unknown');
  const refusal = refusalOf(found, nowMs);
  if (refusal !== null) return refused(refusal);
  const { secretHash: _secretHash, ...key } = found;
  return { kind: 'valid', key };
}

/** Why a known key is no longer valid; null if it is. */
export function refusalOf(
  { revokedAtMs, expiresAtMs }: Pick<ApiKey, 'revokedAtMs' | 'expiresAtMs'>,
  nowMs: number,
): 'revoked' | 'expired' | null {
  if (revokedAtMs !== null) return 'revoked';
  return expiresAtMs !== null && nowMs >= expiresAtMs ? 'expired' : null;
}

function refused(reason: ApiKeyRefusal): ApiKeyCheck {
  return { kind: 'refused', reason };
}
