import { timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { ApiKey, ApiKeys, StoredApiKey } from '../contract/api-keys';
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

/** Revocation takes effect within it; a key in use costs one question to the database a second, not one a request. */
const keptForMs = 1_000;

/** Ids that nobody has are kept too, and whoever makes them up must not fill the memory: about 10 MB. */
const maxKept = 10_000;

/** The ledger's keys, each asked for once in about a second. For processes that check a key with every request. */
export class RecentApiKeys implements Pick<ApiKeys, 'find'> {
  private readonly answers: LRUCache<string, Promise<StoredApiKey | null>>;

  constructor(
    private readonly keys: Pick<ApiKeys, 'find'>,
    /** A clock that is never put back, and never at 0. */
    now: () => number = () => performance.now(),
  ) {
    this.answers = new LRUCache({ max: maxKept, ttl: keptForMs, ttlResolution: 0, perf: { now } });
  }

  find(id: string): Promise<StoredApiKey | null> {
    const known = this.answers.get(id);
    if (known !== undefined) return known;
    const answer = this.keys.find(id);
    this.answers.set(id, answer);
    // Whoever waits for it hears of the failure; the next one asks again.
    answer.catch(() => {
      if (this.answers.peek(id) === answer) this.answers.delete(id);
    });
    return answer;
  }
}
