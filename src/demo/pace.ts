/** What two idle cores carry beside a Temporal server, a worker and the simulated models. */
const mostTurns = 350;
/** Enough for the story to go on, however slow the machine is. */
const leastTurns = 20;
/** With 15 % timeouts of 1 s, the legacy target takes 1.2 times what is usual; far beyond that, it is the machine. */
const slowdownThatIsTheMachine = 1.7;

/**
 * How many turns may be under way at once. A machine that others use as well answers late, and answers that are late count
 * as timeouts: the demonstration would show the machine's trouble as the providers'.
 */
export class Pace {
  concurrentTurns = 40;
  private calls = 0;
  private slowdowns = 0;

  /** How long a call took, as a multiple of what is usual. */
  called(slowdown: number): void {
    this.calls += 1;
    this.slowdowns += slowdown;
  }

  /** To be called from time to time. */
  adjust(): void {
    if (this.calls === 0) return;
    const isTooFast = this.slowdowns / this.calls > slowdownThatIsTheMachine;
    const wanted = isTooFast ? Math.floor(this.concurrentTurns * 0.6) : this.concurrentTurns + 25;
    this.concurrentTurns = Math.min(mostTurns, Math.max(leastTurns, wanted));
    this.calls = 0;
    this.slowdowns = 0;
  }

  get maximum(): number {
    return mostTurns;
  }
}
