import { LRUCache } from 'lru-cache';
import type { ApiKeys, StoredApiKey } from '../contract/api-keys';
import { BatchedLookups } from './batched-lookups';

/** Revocation takes effect within this time. A key in use costs one database query per second instead of one per request. */
const cacheForMs = 1_000;

/** About 10 MB. No service uses more keys than this at the same time. */
const maxKnownKeys = 10_000;

/** Made-up ids have a separate cache, so that they neither fill the memory nor evict keys in use. */
const maxUnknownIds = 10_000;

type Lookup = Promise<StoredApiKey | null>;
type Finder = Pick<ApiKeys, 'find' | 'findAll'>;

/**
 * A cache in front of the ledger's keys, for processes that check a key with every request. Each key in use is read about
 * once a second. Ids of no known key are looked up together, at most ten times a second, however many there are.
 */
export class RecentApiKeys implements Pick<ApiKeys, 'find'> {
  /** Keys that exist. They stay here after `untilMs`, so that they are then read on their own again. */
  private readonly known = new LRUCache<string, { readonly lookup: Lookup; readonly untilMs: number }>({
    max: maxKnownKeys,
  });
  private readonly unknown: LRUCache<string, Lookup>;
  private readonly newcomers: BatchedLookups<StoredApiKey>;

  constructor(
    private readonly keys: Finder,
    /** A monotonic clock that is never at 0. */
    private readonly now: () => number = () => performance.now(),
  ) {
    this.unknown = new LRUCache({ max: maxUnknownIds, ttl: cacheForMs, ttlResolution: 0, perf: { now } });
    this.newcomers = new BatchedLookups(
      'API keys',
      (ids) => keys.findAll(ids),
      ({ id }) => id,
    );
  }

  /** @throws {TooManyLookupsError} */
  find(id: string): Lookup {
    const known = this.known.get(id);
    if (known === undefined) return this.findNewcomer(id);
    return this.now() < known.untilMs ? known.lookup : this.keep(id, this.keys.find(id));
  }

  private findNewcomer(id: string): Lookup {
    const recent = this.unknown.get(id);
    if (recent !== undefined) return recent;
    const lookup = this.newcomers.find(id);
    this.unknown.set(id, lookup);
    const forget = (): void => {
      if (this.unknown.peek(id) === lookup) this.unknown.delete(id);
    };
    lookup.then((key) => {
      if (key === null) return;
      forget();
      void this.keep(id, lookup);
    }, forget); // a failed lookup is reported to its callers and not cached
    return lookup;
  }

  private keep(id: string, lookup: Lookup): Lookup {
    this.known.set(id, { lookup, untilMs: this.now() + cacheForMs });
    lookup.catch(() => {
      if (this.known.peek(id)?.lookup === lookup) this.known.set(id, { lookup, untilMs: 0 });
    });
    return lookup;
  }
}
