/** How long a finished call stays known: far beyond the few seconds after which an aborted workflow task comes again. */
const keepFinishedMs = 120_000;

/** Longer than any turn: after it, nothing brings a ticket back. */
const keepUsedTicketsMs = 600_000;

/**
 * The running and the just-finished steps of this process's turns. A workflow task that the server aborts is done again,
 * and its local activities with it: the second time joins the running call, or takes the finished answer, instead of
 * buying a second one.
 */
export class TurnMemory {
  private readonly steps = new Map<string, Promise<unknown>>();
  private readonly usedTickets = new Set<string>();

  /** True for the first taker: a call that was begun and lost its ledger must not be made again under the same number. */
  takeTicket(turnId: string, attempt: number): boolean {
    const key = `${turnId} ${attempt}`;
    if (this.usedTickets.has(key)) return false;
    this.usedTickets.add(key);
    setTimeout(() => this.usedTickets.delete(key), keepUsedTicketsMs).unref();
    return true;
  }

  /** Runs `step`, or joins the one under this key. A step that throws is forgotten, so that it can be tried again. */
  once<Result>(key: string, step: () => Promise<Result>): Promise<Result> {
    const known = this.steps.get(key);
    if (known) return known as Promise<Result>;

    const running = step();
    this.steps.set(key, running);
    running.then(
      () => setTimeout(() => this.steps.delete(key), keepFinishedMs).unref(),
      () => this.steps.delete(key),
    );
    return running;
  }
}
