import { timingSafeEqual } from 'node:crypto';
import type { ApiKey, ApiKeys } from '../ledger/api-keys';
import { hashSecret, parseApiKey } from './api-key';

export type ApiKeyCheck =
  { readonly kind: 'valid'; readonly key: ApiKey } | { readonly kind: 'refused'; readonly reason: ApiKeyRefusal };

/** `unknown` is a wrong secret as well: who has not the whole key learns nothing about it. */
type ApiKeyRefusal = 'missing' | 'malformed' | 'unknown' | 'revoked' | 'expired';

/** Compared with where no key has the id, so that the answer takes as long. No secret has this hash. */
const hashOfNoKey = Buffer.alloc(32).toString('hex');

/** Says whether a key lets its bearer in. `keys` is the ledger's, or a `RecentApiKeys` in front of it. */
export async function checkApiKey(
  keys: Pick<ApiKeys, 'find'>,
  text: string | undefined,
  nowMs: number,
): Promise<ApiKeyCheck> {
  if (text === undefined || text === '') return refused('missing');
  const parsed = parseApiKey(text);
  if (parsed === null) return refused('malformed');
  const found = await keys.find(parsed.id);
  const secretHash = Buffer.from(found?.secretHash ?? hashOfNoKey, 'hex');
  const isRight = timingSafeEqual(hashSecret(parsed.secret), secretHash);
  if (found === null || !isRight) return refused('unknown');
  if (found.revokedAtMs !== null) return refused('revoked');
  if (found.expiresAtMs !== null && nowMs >= found.expiresAtMs) return refused('expired');
  const { secretHash: _secretHash, ...key } = found;
  return { kind: 'valid', key };
}

function refused(reason: ApiKeyRefusal): ApiKeyCheck {
  return { kind: 'refused', reason };
}
