import { simulateRuns } from '../../../src/operator/simulation';
import { hourMs, specWith } from './given';

/** A look an hour: with one every 5 minutes the same runs take twelve times as long. */
export const hourlySpec = specWith({ intervalMs: hourMs }, { maxLatencyPercent: null, maxCostPercent: null });

/** Runs over the plan of 72 hours, against a baseline that succeeds 85% of the time. */
export function simulatePlan(canarySuccessRate: number, requestsPerHour: number, runs: number) {
  const options = { spec: hourlySpec, canarySuccessRate, baselineSuccessRate: 0.85, requestsPerHour };
  return simulateRuns(options, runs, 'simulation', () => undefined);
}
