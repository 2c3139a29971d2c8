/** 72 hours in 60 seconds: an hour is 833 ms. */
export const planMs = 72 * 60 * 60 * 1_000;
export const usualCompression = planMs / 60_000;
/** This many turns per second are enough to decide within that minute. */
export const usualTurnsPerSecond = 250;

/** How much to compress the plan: a machine that handles fewer turns per second needs longer for the same evidence. */
export function compressionFor(turnsPerSecond: number): number {
  const share = Math.min(1, turnsPerSecond / usualTurnsPerSecond);
  return Math.max(1, Math.round(usualCompression * share));
}

/** What two idle cores can handle besides a Temporal server, a worker and the simulated models. */
const mostTurns = 350;
/** Enough to continue, however slow the machine is. */
const leastTurns = 8;
/** The simulated models answer in their usual time, whatever fails; much slower answers are due to the machine. */
const slowdownThatIsTheMachine = 1.4;
/**
 * With this few turns, their number is not what slows the machine. Then continuing matters more than latencies, as long
 * as answers stay far from their timeout, which is at least eleven times the usual latency.
 */
const fewTurns = 60;
const slowdownOfFewTurns = 3;
/** Fewer answers say too little about the machine. */
const leastAnswers = 5;
/** Of all turns in progress; the development server cannot handle more of them at this pace. */
const shareOfWorkflows = 1 / 80;

/**
 * Decides how many turns may run concurrently. A machine that is busy with other work answers late, and late answers
 * count as timeouts: the demonstration would blame the providers for the machine.
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

  /** Call it periodically. */
  adjust(): void {
    if (this.answers < leastAnswers) return;
    const limit = this.concurrentTurns > fewTurns ? slowdownThatIsTheMachine : slowdownOfFewTurns;
    const isTooFast = this.slowdowns / this.answers > limit;
    const wanted = isTooFast ? Math.floor(this.concurrentTurns * 0.6) : Math.ceil(this.concurrentTurns * 1.2);
    this.concurrentTurns = Math.min(mostTurns, Math.max(leastTurns, wanted));
    this.answers = 0;
    this.slowdowns = 0;
  }

  /** How many of them go through the real client and Temporal; each costs as much as ten others. */
  get concurrentWorkflows(): number {
    return Math.ceil(this.concurrentTurns * shareOfWorkflows);
  }

  get maximum(): number {
    return mostTurns;
  }
}
