import { timingSafeEqual } from 'node:crypto';
import type { ApiKey, ApiKeys, StoredApiKey } from '../contract/api-keys';
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
  if (found.revokedAtMs !== null) return refused('revoked');
  if (found.expiresAtMs !== null && nowMs >= found.expiresAtMs) return refused('expired');
  const { secretHash: _secretHash, ...key } = found;
  return { kind: 'valid', key };
}

function refused(reason: ApiKeyRefusal): ApiKeyCheck {
  return { kind: 'refused', reason };
}

/** Revocation takes effect within this time. A key in use costs one database query per second instead of one per request. */
const cacheForMs = 1_000;

/** Unknown ids are cached, too, and made-up ids must not fill the memory: about 10 MB. */
const maxCachedIds = 10_000;

interface CachedLookup {
  readonly answer: Promise<StoredApiKey | null>;
  readonly atMs: number;
}

/** A cache in front of the ledger's keys, for processes that check a key with every request: each id is looked up about once a second. */
export class RecentApiKeys implements Pick<ApiKeys, 'find'> {
  /** Oldest first. */
  private readonly lookups = new Map<string, CachedLookup>();

  constructor(
    private readonly keys: Pick<ApiKeys, 'find'>,
    /** A monotonic clock. */
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  find(id: string): Promise<StoredApiKey | null> {
    const known = this.lookups.get(id);
    const atMs = this.nowMs();
    if (known !== undefined && atMs - known.atMs < cacheForMs) return known.answer;
    const lookup = { answer: this.keys.find(id), atMs };
    this.lookups.delete(id);
    this.lookups.set(id, lookup);
    if (this.lookups.size > maxCachedIds) this.evictOldest();
    // A failed lookup is reported to its callers and not cached.
    lookup.answer.catch(() => {
      if (this.lookups.get(id) === lookup) this.lookups.delete(id);
    });
    return lookup.answer;
  }

  private evictOldest(): void {
    const [oldest] = this.lookups.keys();
    if (oldest !== undefined) this.lookups.delete(oldest);
  }
}
