import { setImmediate } from 'node:timers/promises';
import { simulateRollout, type SimulatedRollout, type SimulationOptions } from '../../domain/rollout/simulate';
import { seededRandom } from '../../simulator/random';
import { summariseRuns, type SimulationSummary } from './simulation-summary';

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
