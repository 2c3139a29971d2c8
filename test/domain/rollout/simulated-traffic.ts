import type { RolloutGates, RolloutSpec } from '../../../src/contract/rollout';
import { answerFlags } from '../../../src/contract/user-evidence';
import type { SimulatedArm, SimulatedTraffic } from '../../../src/domain/rollout/simulate-traffic';
import { simulateRuns, simulatedSpec, type SimulationSummary } from '../../../src/operator/simulation';

export const hourMs = 60 * 60 * 1000;
export const minuteMs = 60_000;

/** Of the long tests, for each promise. docs/rollout.md tells what 10,000 showed, which take a quarter of an hour on two cores. */
export const simulatedRuns = Number(process.env['BELLWETHER_SIMULATED_RUNS'] ?? 1_000);

/** All flags on 5% of first answers: far more than answers that are fine get. */
const flagged: SimulatedArm['flags'] = answerFlags.map((flag) => ({ flag, share: 0.05 }));

const oneArm: SimulatedArm = { successRate: 0.997, declined: 0.01, unhappy: 0.02, flags: flagged, latency: 1, cost: 1 };

/** Arms alike at 99.7%, and 2,000 new users an hour with 8 requests each, of whom 0.3% always fail. */
export function alike(changes: Partial<SimulatedTraffic> = {}, both: Partial<SimulatedArm> = {}): SimulatedTraffic {
  return {
    usersPerHour: 2000,
    users: null,
    requestsPerUser: [{ value: 8, share: 1 }],
    alwaysFail: 0.003,
    oftenFail: 0,
    trafficSwing: 0,
    failureDrift: 1,
    incidents: [],
    languages: [{ language: 'en', share: 1 }],
    costSpread: { users: 1, requests: 0.7 },
    baseline: { ...oneArm, ...both },
    canary: { ...oneArm, ...both },
    ...changes,
  };
}

/** The canary differs from the baseline by these changes. */
export function worseBy(changes: Partial<SimulatedArm>, traffic: SimulatedTraffic = alike()): SimulatedTraffic {
  return { ...traffic, canary: { ...traffic.canary, ...changes } };
}

export interface Conditions {
  readonly runs: number;
  readonly intervalMs?: number;
  readonly spec?: Partial<RolloutSpec>;
  readonly gates?: Partial<RolloutGates>;
}

/** Runs of the 72-hour plan, unless the spec says otherwise. */
export function simulate(
  traffic: SimulatedTraffic,
  { runs, intervalMs = 20 * minuteMs, spec: changes, gates }: Conditions,
): Promise<SimulationSummary> {
  const spec = simulatedSpec('72h', intervalMs);
  const whole = { ...spec, ...changes, gates: { ...spec.gates, ...gates } };
  return simulateRuns({ spec: whole, traffic, seed: 'simulation', runs }, 1, () => undefined);
}

/** Share of the runs in which the measure was reached; of flags and languages, in which any of them was. */
export function reachedIn({ alarms }: SimulationSummary, measure: string | RegExp): number {
  return alarms
    .filter((alarm) => (typeof measure === 'string' ? alarm.measure === measure : measure.test(alarm.measure)))
    .reduce((sum, { share }) => sum + share, 0);
}

/** The largest share that so many runs show of something whose chance is the bound, but for 1 in 1,000 times. */
export function withinSamplingError(bound: number, runs: number): number {
  let probability = (1 - bound) ** runs;
  let sum = probability;
  let events = 0;
  while (sum < 0.999) {
    events += 1;
    probability *= ((runs - events + 1) / events) * (bound / (1 - bound));
    sum += probability;
  }
  return events / runs;
}
