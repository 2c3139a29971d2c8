import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { ApiKeys, StoredApiKey } from '../contract/api-keys';

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
  private readonly newcomers: BatchedLookups;

  constructor(
    private readonly keys: Finder,
    /** A monotonic clock that is never at 0. */
    private readonly now: () => number = () => performance.now(),
  ) {
    this.unknown = new LRUCache({ max: maxUnknownIds, ttl: cacheForMs, ttlResolution: 0, perf: { now } });
    this.newcomers = new BatchedLookups(keys);
  }

  /** @throws {TooManyUnknownKeysError} */
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

/** Unknown API keys arrive faster than they can be looked up. This does not mean that the key is invalid. */
export class TooManyUnknownKeysError extends Error {
  override readonly name = 'TooManyUnknownKeysError';
}

/** A new key's first request waits at most this long, plus one query. */
const restMs = 100;

const rest = () => sleep(restMs, undefined, { ref: false });

/** The most ids in one query. A gateway cannot even read this many requests in 100 ms. */
const maxWaiting = 1_024;

/** The ids that share one query. */
interface Batch {
  readonly ids: Set<string>;
  readonly found: Promise<ReadonlyMap<string, StoredApiKey>>;
}

/** Runs one query at a time, with a pause after each. Ids that arrive in the meantime share the next query. */
class BatchedLookups {
  private next: Batch | null = null;
  private whenRested: Promise<unknown> = Promise.resolve();

  constructor(private readonly keys: Pick<ApiKeys, 'findAll'>) {}

  async find(id: string): Lookup {
    const { ids, found } = this.next ?? this.begin();
    if (ids.size >= maxWaiting) {
      throw new TooManyUnknownKeysError(
        `${maxWaiting} unknown API keys are already waiting to be looked up, which is the limit. Try again in a second.`,
      );
    }
    ids.add(id);
    return (await found).get(id) ?? null;
  }

  private begin(): Batch {
    const ids = new Set<string>();
    const found = this.whenRested.then(async () => {
      this.next = null;
      return new Map((await this.keys.findAll([...ids])).map((key) => [key.id, key]));
    });
    this.whenRested = found.then(rest, rest);
    this.next = { ids, found };
    return this.next;
  }
}
