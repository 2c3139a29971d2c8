/** 72 hours in 60 seconds: an hour is 833 ms. */
export const planMs = 72 * 60 * 60 * 1_000;
export const usualCompression = planMs / 60_000;
/** So many turns a second decide within that minute. */
export const usualTurnsPerSecond = 250;

/** By how much the plan is compressed: a machine that carries fewer turns a second needs longer for as much evidence. */
export function compressionFor(turnsPerSecond: number): number {
  const share = Math.min(1, turnsPerSecond / usualTurnsPerSecond);
  return Math.max(1, Math.round(usualCompression * share));
}

/** What two idle cores carry beside a Temporal server, a worker and the simulated models. */
const mostTurns = 350;
/** Enough for the story to go on, however slow the machine is. */
const leastTurns = 8;
/** The simulated models answer in their usual time, whatever fails; answers that take far longer wait for the machine. */
const slowdownThatIsTheMachine = 1.4;
/**
 * A machine that is slow with so few turns is so for other reasons than their number: then going on counts for more than
 * latencies, as long as answers are far from their timeout, which is eleven times the usual or more.
 */
const fewTurns = 60;
const slowdownOfFewTurns = 3;
/** Fewer say more of themselves than of the machine. */
const leastAnswers = 5;
/** Of all turns that are under way; the development server carries no more of them at this pace. */
const shareOfWorkflows = 1 / 80;

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
    if (this.answers < leastAnswers) return;
    const limit = this.concurrentTurns > fewTurns ? slowdownThatIsTheMachine : slowdownOfFewTurns;
    const isTooFast = this.slowdowns / this.answers > limit;
    const wanted = isTooFast ? Math.floor(this.concurrentTurns * 0.6) : Math.ceil(this.concurrentTurns * 1.2);
    this.concurrentTurns = Math.min(mostTurns, Math.max(leastTurns, wanted));
    this.answers = 0;
    this.slowdowns = 0;
  }

  /** How many of them are turns of the real client through Temporal, each of which costs as much as ten others. */
  get concurrentWorkflows(): number {
    return Math.ceil(this.concurrentTurns * shareOfWorkflows);
  }

  get maximum(): number {
    return mostTurns;
  }
}
