import type { ApiKeys, StoredApiKey } from '../ledger/api-keys';

/** Revocation takes effect within it; a key in use costs one question to the database a second, not one a request. */
const keptForMs = 1_000;

/** Ids that nobody has are kept too, and whoever makes them up must not fill the memory: about 10 MB. */
const maxKept = 10_000;

interface Asked {
  readonly answer: Promise<StoredApiKey | null>;
  readonly atMs: number;
}

/** The ledger's keys, each asked for once in about a second. For processes that check a key with every request. */
export class RecentApiKeys implements Pick<ApiKeys, 'find'> {
  /** Oldest first. */
  private readonly asked = new Map<string, Asked>();

  constructor(
    private readonly keys: Pick<ApiKeys, 'find'>,
    /** A clock that is never put back. */
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  find(id: string): Promise<StoredApiKey | null> {
    const known = this.asked.get(id);
    const atMs = this.nowMs();
    if (known !== undefined && atMs - known.atMs < keptForMs) return known.answer;
    const asked = { answer: this.keys.find(id), atMs };
    this.asked.delete(id);
    this.asked.set(id, asked);
    if (this.asked.size > maxKept) this.forgetOldest();
    // Whoever waits for it hears of the failure; the next one asks again.
    asked.answer.catch(() => {
      if (this.asked.get(id) === asked) this.asked.delete(id);
    });
    return asked.answer;
  }

  private forgetOldest(): void {
    const [oldest] = this.asked.keys();
    if (oldest !== undefined) this.asked.delete(oldest);
  }
}
