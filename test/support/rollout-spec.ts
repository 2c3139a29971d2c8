import type { RolloutSpec } from '../../src/contract/rollout';
import { defaultRolloutGates, rolloutPlans } from '../../src/domain/rollout/plans';
import { unique } from './temporal';

/** The default plan, from legacy to holysheep, with a unique name. */
export function rolloutSpec(changes: Partial<RolloutSpec> = {}): RolloutSpec {
  return {
    name: unique('rollout'),
    baselineArm: 'legacy',
    canaryArm: 'holysheep',
    ...rolloutPlans['72h'],
    gates: defaultRolloutGates,
    freezeWindows: [],
    takeOver: false,
    actor: 'test',
    ...changes,
  };
}

/** Decided by a few requests, most of which must succeed: one step of 50 %, analysed three times a second. */
export function shortRolloutSpec(changes: Partial<RolloutSpec> = {}): RolloutSpec {
  return rolloutSpec({
    steps: [{ percent: 50, nominalEndMs: 1_000, minimumBakeMs: 1_000 }],
    intervalMs: 300,
    warmMs: 500,
    gates: fewRequestsDecide,
    ...changes,
  });
}

/** The same, but nothing changes by itself for an hour. */
export function unhurriedRolloutSpec(changes: Partial<RolloutSpec> = {}): RolloutSpec {
  const hourMs = 60 * 60 * 1000;
  return shortRolloutSpec({
    steps: [{ percent: 50, nominalEndMs: hourMs, minimumBakeMs: hourMs }],
    warmMs: hourMs,
    ...changes,
  });
}

const fewRequestsDecide: RolloutSpec['gates'] = {
  ...defaultRolloutGates,
  alpha: 0.1,
  minimumSuccessRate: 0.5,
  expectedSuccessRate: 0.99,
  breachSuccessRate: 0.2,
  minimumStepRequests: 5,
  freshnessMs: 60_000,
  maxLatencyPercent: null,
  maxCostNanoUsdPerSuccess: null,
};
