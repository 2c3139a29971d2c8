import type { ModelPrice } from '../../contract/policy';
import type { TokenUsage } from '../../contract/turn';
import { costNanoUsd } from '../turn/prices';

/** An arm's results so far. A request is the first call of a turn. */
export interface ArmRecord {
  readonly successes: number;
  readonly failures: number;
  /** Unrounded; null if no call was answered or timed out. */
  readonly latencyMeanMs: number | null;
}

/** The migration guide's report, with its field names. */
export interface MigrationReport {
  readonly legacy: { readonly requests: number; readonly avg_latency_ms: number };
  readonly canary: { readonly requests: number; readonly avg_latency_ms: number; readonly ready_to_promote: boolean };
  readonly improvement: { readonly latency_reduction_pct: number };
}

/** The guide's threshold for `ready_to_promote`. Used only in this report: as a gate it is unsafe. */
const guideSuccessRate = 0.99;

/** Reports exactly what the guide's program would. */
export function migrationReport(legacy: ArmRecord, canary: ArmRecord): MigrationReport {
  const legacyMs = legacy.latencyMeanMs ?? 0;
  const canaryMs = canary.latencyMeanMs ?? 0;
  const requests = canary.successes + canary.failures;
  const hasLegacyData = legacy.successes + legacy.failures > 0 && legacy.latencyMeanMs !== null;
  return {
    legacy: { requests: legacy.successes + legacy.failures, avg_latency_ms: roundHalfEven(legacyMs, 2) },
    canary: {
      requests,
      avg_latency_ms: roundHalfEven(canaryMs, 2),
      ready_to_promote: requests > 0 && canary.successes / requests >= guideSuccessRate,
    },
    improvement: {
      latency_reduction_pct: hasLegacyData ? roundHalfEven((1 - canaryMs / Math.max(legacyMs, 1)) * 100, 1) : 0,
    },
  };
}

/** The guide's closing lines for a report. */
export function migrationVerdict({ canary, improvement }: MigrationReport): readonly string[] {
  if (!canary.ready_to_promote) return ['⚠️ Canary needs more data before promotion. Continue monitoring.'];
  return [
    '✅ Canary metrics look great! Ready to promote to 100% traffic.',
    `   Latency improvement: ${improvement.latency_reduction_pct.toFixed(1)}%`,
  ];
}

/** Rounds like Python's `round`: based on the exact binary value, with ties going to the even neighbour. */
export function roundHalfEven(value: number, decimals: number): number {
  const magnitude = Math.abs(value);
  const nearest = Number(magnitude.toFixed(decimals));
  // Multiplying by a power of two is exact: an odd result means a tie in the last decimal, which toFixed rounds up.
  const isHalf = (magnitude * 2 ** (decimals + 1)) % 2 === 1;
  const unit = 10 ** decimals;
  const isOdd = Math.round(nearest * unit) % 2 === 1;
  const rounded = isHalf && isOdd ? Number(((Math.round(nearest * unit) - 1) / unit).toFixed(decimals)) : nearest;
  // Adding zero turns a negative zero, which would look odd in a report, into a positive one.
  return (value < 0 ? -rounded : rounded) + 0;
}

/** z-score of a two-sided 95 % interval. */
const z = 1.959964;

/** Wilson's 95 % interval of a success rate, which also holds for few requests and rates near 1; null without requests. */
export function successInterval(
  successes: number,
  requests: number,
): { readonly low: number; readonly high: number } | null {
  if (requests === 0) return null;
  const rate = successes / requests;
  const shrink = 1 + z ** 2 / requests;
  const centre = (rate + z ** 2 / (2 * requests)) / shrink;
  const half = (z / shrink) * Math.sqrt((rate * (1 - rate)) / requests + z ** 2 / (4 * requests ** 2));
  // At 0 and 1 the interval touches the end; rounding must not leave a gap.
  return {
    low: successes === 0 ? 0 : Math.max(0, centre - half),
    high: successes === requests ? 1 : Math.min(1, centre + half),
  };
}

/** The price of tokens without the CJK multiplier, in nano-dollars. */
function plainNanoUsd(price: ModelPrice, usage: TokenUsage): number {
  return costNanoUsd({ ...price, cjkMultiplierPercent: 100 }, usage, { characters: 0, cjkCharacters: 0 });
}

/**
 * How much the CJK multiplier added to the cost of a model's calls, in nano-dollars: the cost beyond the plain price of
 * their tokens.
 */
export function surchargeNanoUsd(price: ModelPrice, usage: TokenUsage, chargedNanoUsd: number): number {
  if (price.cjkMultiplierPercent === 100) return 0;
  return Math.max(0, chargedNanoUsd - plainNanoUsd(price, usage));
}

/**
 * What the same tokens would have cost at another model's price, in nano-dollars.
 * @param surchargeShare what the CJK multiplier added to that model's calls, as a share of their plain price
 */
export function billNanoUsd(price: ModelPrice, usages: readonly TokenUsage[], surchargeShare: number): number {
  const plain = usages.reduce((sum, usage) => sum + plainNanoUsd(price, usage), 0);
  return Math.round(plain * (1 + surchargeShare));
}
