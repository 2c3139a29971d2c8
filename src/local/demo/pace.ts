/** What two idle cores carry beside a Temporal server, a worker and the simulated models. */
const mostTurns = 350;
/** Enough for the story to go on, however slow the machine is. */
const leastTurns = 20;
/** The simulated models answer in their usual time, whatever fails; answers that take far longer wait for the machine. */
const slowdownThatIsTheMachine = 1.4;

/**
 * How many turns may be under way at once. A machine that others use as well answers late, and answers that are late count
 * as timeouts: the demonstration would show the machine's trouble as the providers'.
 */
export class Pace {
  concurrentTurns = 40;
  private answers = 0;
  private slowdowns = 0;

  /** How long an answer took, as a multiple of what is usual. */
  answered(slowdown: number): void {
    this.answers += 1;
    this.slowdowns += slowdown;
  }

  /** To be called from time to time. */
  adjust(): void {
    if (this.answers === 0) return;
    const isTooFast = this.slowdowns / this.answers > slowdownThatIsTheMachine;
    const wanted = isTooFast ? Math.floor(this.concurrentTurns * 0.6) : this.concurrentTurns + 25;
    this.concurrentTurns = Math.min(mostTurns, Math.max(leastTurns, wanted));
    this.answers = 0;
    this.slowdowns = 0;
  }

  get maximum(): number {
    return mostTurns;
  }
}
