import type { RolloutGates, RolloutStep } from '../../contract/rollout';

const hourMs = 60 * 60 * 1000;

export interface RolloutPlan {
  readonly steps: readonly RolloutStep[];
  readonly intervalMs: number;
  readonly warmMs: number;
}

/** Of so few, a canary at 98.7 % passes for one at 99 % in a quarter of the steps, and one at 99.7 % almost always does. */
const minimumUsers = 1000;

const step = (percent: number, nominalEndHours: number, minimumBakeHours: number): RolloutStep => ({
  percent,
  nominalEndMs: nominalEndHours * hourMs,
  minimumBakeMs: minimumBakeHours * hourMs,
  minimumUsers,
});

/** A breach is seen within five minutes, and 72 hours take 864 audit rows. */
const intervalMs = 5 * 60 * 1000;
const warmMs = 24 * hourMs;

export const rolloutPlans = {
  /** From 10 % to 100 % in 72 hours. */
  '72h': { steps: [step(10, 18, 12), step(25, 30, 6), step(50, 60, 12), step(75, 72, 6)], intervalMs, warmMs },
  /** As the migration guide describes it: 10 % for 72 hours, then a gradual increase. */
  guide: { steps: [step(10, 72, 72), step(25, 84, 12), step(50, 96, 12), step(75, 108, 12)], intervalMs, warmMs },
} as const satisfies Record<string, RolloutPlan>;

export type RolloutPlanName = keyof typeof rolloutPlans;
export const defaultRolloutPlan: RolloutPlanName = '72h';

/** The guide promotes at a success rate of 99 % and reports 0.3 % timeouts for its new provider. */
export const defaultRolloutGates: RolloutGates = {
  alpha: 0.001,
  beta: 0.001,
  minimumSuccessRate: 0.99,
  expectedSuccessRate: 0.997,
  breachSuccessRate: 0.98,
  minimumStepRequests: 300,
  maxRequestsPerUser: 50,
  // Three analyses: no canary request for longer means that something is wrong with the traffic or with the ledger.
  freshnessMs: 3 * intervalMs,
  maxLatencyPercent: 110,
  // Not 100: of two arms that cost the same, one is always slightly more expensive.
  maxCostPercent: 110,
  maxCostNanoUsdPerSuccess: null,
};
