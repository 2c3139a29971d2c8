import { setImmediate } from 'node:timers/promises';
import type { RolloutSpec } from '../contract/rollout';
import { seededRandom } from '../domain/random';
import { defaultRolloutGates, type RolloutPlanName, rolloutPlans } from '../domain/rollout/plans';
import { type SimulatedRollout, simulateRollout, type SimulationOptions } from '../domain/rollout/simulate';

/** A plan with the default gates, as far as a simulation has what they look at: its arms are equally fast and cost nothing. */
export function simulatedSpec(plan: RolloutPlanName, intervalMs: number): RolloutSpec {
  const { steps, warmMs } = rolloutPlans[plan];
  return {
    name: 'simulation',
    baselineArm: 'legacy',
    canaryArm: 'canary',
    steps,
    intervalMs,
    warmMs,
    gates: { ...defaultRolloutGates, maxLatencyPercent: null, maxCostPercent: null },
    freezeWindows: [],
    takeOver: false,
    actor: 'simulation',
  };
}

/** So long may a stretch of runs keep everything else waiting: the bar moves, and Ctrl-C works. */
const stretchMs = 50;

/**
 * Many runs from one seed. They share one sequence of random numbers: sequences of several seeds could overlap, and the
 * runs would no longer be independent. `onProgress` is told the share of runs that are done.
 */
export async function simulateRuns(
  options: SimulationOptions,
  runs: number,
  seed: string,
  onProgress: (share: number) => void,
): Promise<SimulationSummary> {
  const random = seededRandom(seed);
  const outcomes: SimulatedRollout[] = [];
  let pauseAtMs = performance.now() + stretchMs;
  while (outcomes.length < runs) {
    outcomes.push(simulateRollout(options, random));
    if (performance.now() < pauseAtMs) continue;
    onProgress(outcomes.length / runs);
    await setImmediate();
    pauseAtMs = performance.now() + stretchMs;
  }
  return summariseRuns(outcomes);
}

/** What many runs under the same conditions came to. Shares are of all runs, 0 to 1. */
export interface SimulationSummary {
  readonly runs: number;
  readonly promoted: number;
  readonly rolledBack: number;
  readonly held: number;
  readonly late: number;
  /** Left the first step upwards, whatever came of it. */
  readonly everAdvanced: number;
  /** Of the runs that were promoted: milliseconds from the start to all traffic; null when none was. */
  readonly promotedAfterMedianMs: number | null;
  readonly promotedAfterP95Ms: number | null;
}

export function summariseRuns(runs: readonly SimulatedRollout[]): SimulationSummary {
  const shareOf = (of: (run: SimulatedRollout) => boolean): number => runs.filter(of).length / runs.length;
  const timesMs = runs
    .flatMap(({ end, decidedAfterMs }) => (end === 'promoted' && decidedAfterMs !== null ? [decidedAfterMs] : []))
    .toSorted((one, other) => one - other);
  return {
    runs: runs.length,
    promoted: shareOf(({ end }) => end === 'promoted'),
    rolledBack: shareOf(({ end }) => end === 'rolled-back'),
    held: shareOf(({ end }) => end === 'held'),
    late: shareOf(({ end }) => end === 'late'),
    everAdvanced: shareOf(({ advanced }) => advanced),
    promotedAfterMedianMs: quantile(timesMs, 0.5),
    promotedAfterP95Ms: quantile(timesMs, 0.95),
  };
}

/** By nearest rank, of numbers in ascending order. */
function quantile(sorted: readonly number[], share: number): number | null {
  return sorted[Math.ceil(sorted.length * share) - 1] ?? null;
}
