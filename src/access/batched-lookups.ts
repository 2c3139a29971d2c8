import { setTimeout as sleep } from 'node:timers/promises';

/** A newcomer's first request waits at most this long, plus one query. */
const restMs = 100;

const rest = () => sleep(restMs, undefined, { ref: false });

/** The most ids in one query. A gateway cannot even read this many requests in 100 ms. */
const maxWaiting = 1_024;

/** Ids arrive faster than they can be looked up. This does not mean that one is invalid. */
export class TooManyLookupsError extends Error {
  override readonly name = 'TooManyLookupsError';
}

/** The ids that share one query. */
interface Batch<Row> {
  readonly ids: Set<string>;
  readonly found: Promise<ReadonlyMap<string, Row>>;
}

/** Runs one query at a time, with a pause after each. Ids that arrive in the meantime share the next query. */
export class BatchedLookups<Row> {
  private next: Batch<Row> | null = null;
  private whenRested: Promise<unknown> = Promise.resolve();

  constructor(
    /** `API keys`, for people. */
    private readonly what: string,
    private readonly findAll: (ids: readonly string[]) => Promise<readonly Row[]>,
    private readonly idOf: (row: Row) => string,
  ) {}

  /** @throws {TooManyLookupsError} */
  async find(id: string): Promise<Row | null> {
    const { ids, found } = this.next ?? this.begin();
    if (ids.size >= maxWaiting) {
      throw new TooManyLookupsError(
        `${maxWaiting} unknown ${this.what} are already waiting to be looked up, which is the limit. Try again in a second.`,
      );
    }
    ids.add(id);
    return (await found).get(id) ?? null;
  }

  private begin(): Batch<Row> {
    const ids = new Set<string>();
    const found = this.whenRested.then(async () => {
      this.next = null;
      return new Map((await this.findAll([...ids])).map((row) => [this.idOf(row), row]));
    });
    this.whenRested = found.then(rest, rest);
    this.next = { ids, found };
    return this.next;
  }
}
