import { LRUCache } from 'lru-cache';

/** Limit of the kept results as JSON, in UTF-16 code units: some 30,000 answers. The least recently used are evicted first. */
const maxFinishedLength = 64 * 1024 * 1024;

/** Longer than any turn, so no ticket returns after it. */
const keepUsedTicketsMs = 600_000;

/**
 * The running and the finished steps of this process's turns. A workflow task that the server aborts is done again, and
 * its local activities with it: the second time joins the running call, or takes the finished answer, instead of buying a
 * second one. See docs/architecture.md, "A turn done once".
 */
export class StepCache {
  private readonly running = new Map<string, Promise<unknown>>();
  private readonly finished: LRUCache<string, { readonly result: unknown }>;
  private readonly usedTickets = new Set<string>();

  constructor(maxLength: number = maxFinishedLength) {
    this.finished = new LRUCache({
      maxSize: maxLength,
      sizeCalculation: ({ result }, key) => key.length + JSON.stringify(result).length,
      // Asked each time, so that tests can set the clock.
      perf: { now: () => performance.now() },
    });
  }

  /** True only the first time: if the ledger failed after a call was started, the call must not be repeated under the same attempt number. */
  takeTicket(turnName: string, attempt: number): boolean {
    const key = `${turnName} ${attempt}`;
    if (this.usedTickets.has(key)) return false;
    this.usedTickets.add(key);
    setTimeout(() => this.usedTickets.delete(key), keepUsedTicketsMs).unref();
    return true;
  }

  /**
   * Runs `step`, or joins a running step with the same key, or returns its result if it finished within the last `keepMs`.
   * A step that throws is forgotten, so that it can be retried.
   */
  async once<Result extends object>(
    key: string,
    keepMs: (result: Result) => number,
    step: () => Promise<Result>,
  ): Promise<Result> {
    const finished = this.finished.get(key);
    if (finished) return finished.result as Result;
    const running = this.running.get(key) ?? this.run(key, keepMs, step);
    return running as Promise<Result>;
  }

  private run<Result extends object>(
    key: string,
    keepMs: (result: Result) => number,
    step: () => Promise<Result>,
  ): Promise<Result> {
    const running = step()
      .then((result) => {
        const ttl = keepMs(result);
        if (ttl > 0) this.finished.set(key, { result }, { ttl });
        return result;
      })
      .finally(() => this.running.delete(key));
    this.running.set(key, running);
    return running;
  }
}
