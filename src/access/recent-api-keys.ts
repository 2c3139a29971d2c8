import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { ApiKeys, StoredApiKey } from '../contract/api-keys';

/** Revocation takes effect within this time. A key in use costs one database query per second instead of one per request. */
const cacheForMs = 1_000;

/** About 10 MB. More keys than this are not in use at the same time. */
const maxKnownKeys = 10_000;

/** Made-up ids must not fill the memory, and must not push out the keys in use: they have a cache of their own. */
const maxUnknownIds = 10_000;

type Lookup = Promise<StoredApiKey | null>;
type Finder = Pick<ApiKeys, 'find' | 'findAll'>;

/**
 * A cache in front of the ledger's keys, for processes that check a key with every request. Each key in use is read about
 * once a second. All ids that no key is known to have are read together, ten times a second at most, however many there are.
 */
export class RecentApiKeys implements Pick<ApiKeys, 'find'> {
  /** Of keys that exist: kept beyond `untilMs`, because they are then read again on their own. */
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

/** More API keys that nobody knows arrive than are looked up: the request says nothing about the key. */
export class TooManyUnknownKeysError extends Error {
  override readonly name = 'TooManyUnknownKeysError';
}

/** A key that was just created waits no longer than this and one query. */
const restMs = 100;

const rest = () => sleep(restMs, undefined, { ref: false });

/** Of one query. In 100 ms, a gateway does not even read this many requests. */
const maxWaiting = 1_024;

/** Ids that share a query. */
interface Batch {
  readonly ids: Set<string>;
  readonly found: Promise<ReadonlyMap<string, StoredApiKey>>;
}

/** Looks up ids with one query at a time, and a rest between two: those that arrive meanwhile share the next one. */
class BatchedLookups {
  private next: Batch | null = null;
  private whenRested: Promise<unknown> = Promise.resolve();

  constructor(private readonly keys: Pick<ApiKeys, 'findAll'>) {}

  async find(id: string): Lookup {
    const { ids, found } = this.next ?? this.begin();
    if (ids.size >= maxWaiting) {
      throw new TooManyUnknownKeysError(
        `${maxWaiting} unknown API keys are waiting to be looked up, the most there may be. Try again in a second.`,
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
