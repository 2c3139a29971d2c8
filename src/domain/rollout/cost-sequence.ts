import type { RolloutGates } from '../../contract/rollout';
import type { CostSums } from '../../contract/user-evidence';
import type { TestValue } from './evidence';

/** The cost guard: reached when the canary's cost per success is above its limit, with a bound on false alarms. */
export interface CostMeasure extends TestValue {
  /** The canary's nano-dollars per successful turn, over closed users. */
  readonly perSuccess: number;
  /** In nano-dollars. The one of two limits that is nearer to being exceeded. */
  readonly limit: number;
}

/**
 * The asymptotic confidence sequence is tightest around this many users, of both arms together. Its bound holds for
 * all numbers.
 */
const tightestAtUsers = 5_000;

const nanoUsdPerMicroUsd = 1_000;

/** Null without a guard, or below `minimumStepRequests` users of either arm, where the sequence's normal approximation is poor. */
export function costOf(canary: CostSums, baseline: CostSums, gates: RolloutGates, bound: number): CostMeasure | null {
  const { maxCostPercent, maxCostNanoUsdPerSuccess, minimumStepRequests } = gates;
  const limits: Limit[] = [];
  const isKnown = (sums: CostSums): boolean => sums.users >= Math.max(2, minimumStepRequests) && sums.s > 0;
  if (!isKnown(canary)) return null;
  if (maxCostPercent !== null && isKnown(baseline)) {
    const factor = maxCostPercent / 100;
    limits.push({
      perSuccess: factor * ratioOf(baseline),
      variance: factor ** 2 * varianceOf(baseline),
      users: canary.users + baseline.users,
    });
  }
  if (maxCostNanoUsdPerSuccess !== null) {
    limits.push({ perSuccess: maxCostNanoUsdPerSuccess / nanoUsdPerMicroUsd, variance: 0, users: canary.users });
  }
  const guards = [maxCostPercent, maxCostNanoUsdPerSuccess].filter((guard) => guard !== null).length;
  const measured = limits.map((limit) => above(canary, limit, bound / guards));
  return measured.reduce<CostMeasure | null>(
    (most, next) => (most === null || next.value > most.value ? next : most),
    null,
  );
}

interface Limit {
  /** Micro-dollars. */
  readonly perSuccess: number;
  readonly variance: number;
  /** How many users the comparison is about. */
  readonly users: number;
}

/**
 * Robbins' normal mixture, one-sided, over the users' linearised costs: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
 * Time-uniform central limit theory and asymptotic confidence sequences, Annals of Statistics 2024. The value reaches
 * what is needed just when the lower end of the sequence for the difference is above 0.
 */
function above(canary: CostSums, limit: Limit, bound: number): CostMeasure {
  const perSuccess = ratioOf(canary);
  const variance = varianceOf(canary) + limit.variance;
  const logBound = -2 * Math.log(bound);
  const mixture = ((logBound + Math.log(logBound + 1)) / tightestAtUsers) * limit.users;
  // How many standard errors the canary's cost is above the limit.
  const errors = variance > 0 ? Math.max(0, (perSuccess - limit.perSuccess) / Math.sqrt(variance)) : 0;
  const exponent = (errors ** 2 * mixture) / (2 * (mixture + 1));
  return {
    // ln(2 e^x - 1): half of the mixture is cut off, and P(N > z) <= e^(-z²/2) / 2.
    value: exponent + Math.log(2 - Math.exp(-exponent)) - Math.log(mixture + 1) / 2,
    needed: Math.log(1 / bound),
    perSuccess: perSuccess * nanoUsdPerMicroUsd,
    limit: limit.perSuccess * nanoUsdPerMicroUsd,
  };
}

function ratioOf({ c, s }: CostSums): number {
  return c / s;
}

/** Of the ratio of sums, by linearising it: each user's c - Rs, whose mean is 0. */
function varianceOf(sums: CostSums): number {
  const { users, s, cc, ss, cs } = sums;
  const ratio = ratioOf(sums);
  const squares = Math.max(0, cc - 2 * ratio * cs + ratio ** 2 * ss);
  return ((squares / (users - 1)) * users) / s ** 2;
}
