import { LRUCache } from 'lru-cache';

/**
 * As long as a caller may wait for its turn, and the server with it: a workflow task that is lost again and again, as
 * under a burst of messages, was seen to come back after minutes.
 */
const keepFinishedMs = 60 * 60 * 1000;

/** Of what finished steps returned, as JSON: some 30,000 answers. The one that was not asked for longest goes first. */
const maxFinishedBytes = 64 * 1024 * 1024;

/** Longer than any turn: after it, nothing brings a ticket back. */
const keepUsedTicketsMs = 600_000;

/**
 * The running and the finished steps of this process's turns. A workflow task that the server aborts is done again, and
 * its local activities with it: the second time joins the running call, or takes the finished answer, instead of buying a
 * second one.
 */
export class TurnMemory {
  private readonly running = new Map<string, Promise<unknown>>();
  private readonly finished: LRUCache<string, { readonly result: unknown }>;
  private readonly usedTickets = new Set<string>();

  constructor(maxBytes: number = maxFinishedBytes) {
    this.finished = new LRUCache({
      ttl: keepFinishedMs,
      maxSize: maxBytes,
      sizeCalculation: ({ result }, key) => key.length + JSON.stringify(result).length,
    });
  }

  /** True for the first taker: a call that was begun and lost its ledger must not be made again under the same number. */
  takeTicket(turnName: string, attempt: number): boolean {
    const key = `${turnName} ${attempt}`;
    if (this.usedTickets.has(key)) return false;
    this.usedTickets.add(key);
    setTimeout(() => this.usedTickets.delete(key), keepUsedTicketsMs).unref();
    return true;
  }

  /** Runs `step`, or joins the one under this key. A step that throws is forgotten, so that it can be tried again. */
  async once<Result>(key: string, step: () => Promise<Result>): Promise<Result> {
    const finished = this.finished.get(key);
    if (finished) return finished.result as Result;
    const running = this.running.get(key) ?? this.run(key, step);
    return running as Promise<Result>;
  }

  private run<Result>(key: string, step: () => Promise<Result>): Promise<Result> {
    const running = step()
      .then((result) => {
        this.finished.set(key, { result });
        return result;
      })
      .finally(() => this.running.delete(key));
    this.running.set(key, running);
    return running;
  }
}
