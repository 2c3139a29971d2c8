import { setImmediate } from 'node:timers/promises';
import type { RolloutSpec } from '../contract/rollout';
import { quantile } from '../domain/quantile';
import { seededRandom } from '../domain/random';
import { defaultRolloutGates, type RolloutPlanName, rolloutPlans } from '../domain/rollout/plans';
import { type SimulatedRollout, simulateRollout, type SimulationOptions } from '../domain/rollout/simulate';

/** A plan with the default gates except latency and cost: simulated arms are equally fast and cost nothing. */
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

/** How long runs may block the event loop, so that the progress bar moves and Ctrl-C works. */
const stretchMs = 50;

/**
 * Many runs from one seed. They share one sequence of random numbers: sequences of several seeds could overlap, and the
 * runs would no longer be independent. `onProgress` receives the share of finished runs.
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

/** The results of many runs under the same conditions. Shares are of all runs, 0 to 1. */
export interface SimulationSummary {
  readonly runs: number;
  readonly promoted: number;
  readonly rolledBack: number;
  readonly held: number;
  readonly late: number;
  /** Advanced past the first step, whatever happened later. */
  readonly everAdvanced: number;
  /** Of the runs that were promoted: milliseconds from the start to all traffic; null when none was. */
  readonly promotedAfterMedianMs: number | null;
  readonly promotedAfterP95Ms: number | null;
}

export function summariseRuns(runs: readonly SimulatedRollout[]): SimulationSummary {
  const shareOf = (of: (run: SimulatedRollout) => boolean): number => runs.filter(of).length / runs.length;
  const timesMs = runs.flatMap(({ end, decidedAfterMs }) =>
    end === 'promoted' && decidedAfterMs !== null ? [decidedAfterMs] : [],
  );
  return {
    runs: runs.length,
    promoted: shareOf(({ end }) => end === 'promoted'),
    rolledBack: shareOf(({ end }) => end === 'rolled-back'),
    held: shareOf(({ end }) => end === 'held'),
    late: shareOf(({ end }) => end === 'late'),
    everAdvanced: shareOf(({ advanced }) => advanced),
    promotedAfterMedianMs: quantile(timesMs, 50) ?? null,
    promotedAfterP95Ms: quantile(timesMs, 95) ?? null,
  };
}
