import type { ModelPrice } from '../../contract/policy';
import type { TokenUsage } from '../../contract/turn';
import { costNanoUsd } from '../turn/prices';

/** What an arm did so far; a request is the first call of a turn. */
export interface ArmRecord {
  readonly successes: number;
  readonly failures: number;
  /** Unrounded; null without any call that was answered or timed out. */
  readonly latencyMeanMs: number | null;
}

/** The migration guide's report, in its own names. */
export interface MigrationReport {
  readonly legacy: { readonly requests: number; readonly avg_latency_ms: number };
  readonly canary: { readonly requests: number; readonly avg_latency_ms: number; readonly ready_to_promote: boolean };
  readonly improvement: { readonly latency_reduction_pct: number };
}

/** The guide's threshold of `ready_to_promote`. Kept for the report alone: as a gate it is unsafe. */
const guideSuccessRate = 0.99;

/** Exactly what the guide's program would report. */
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

/** The guide's last words on a report. */
export function migrationVerdict({ canary, improvement }: MigrationReport): readonly string[] {
  if (!canary.ready_to_promote) return ['⚠️ Canary needs more data before promotion. Continue monitoring.'];
  return [
    '✅ Canary metrics look great! Ready to promote to 100% traffic.',
    `   Latency improvement: ${improvement.latency_reduction_pct.toFixed(1)}%`,
  ];
}

/** As Python's `round`: the exact value decides, and exactly half goes to the even neighbour. */
export function roundHalfEven(value: number, decimals: number): number {
  const magnitude = Math.abs(value);
  const nearest = Number(magnitude.toFixed(decimals));
  // Times a power of two is exact: an odd result is half a unit of the last decimal, which toFixed rounds up.
  const isHalf = (magnitude * 2 ** (decimals + 1)) % 2 === 1;
  const unit = 10 ** decimals;
  const isOdd = Math.round(nearest * unit) % 2 === 1;
  const rounded = isHalf && isOdd ? Number(((Math.round(nearest * unit) - 1) / unit).toFixed(decimals)) : nearest;
  // Plus zero: JSON and people know no negative zero.
  return (value < 0 ? -rounded : rounded) + 0;
}

/** z of a two-sided 95 % interval. */
const z = 1.959964;

/** Wilson's 95 % interval of a success rate, also right for few requests and rates near 1; null without requests. */
export function successInterval(
  successes: number,
  requests: number,
): { readonly low: number; readonly high: number } | null {
  if (requests === 0) return null;
  const rate = successes / requests;
  const shrink = 1 + z ** 2 / requests;
  const centre = (rate + z ** 2 / (2 * requests)) / shrink;
  const half = (z / shrink) * Math.sqrt((rate * (1 - rate)) / requests + z ** 2 / (4 * requests ** 2));
  // At the ends the interval touches them; rounding must not leave a gap.
  return {
    low: successes === 0 ? 0 : Math.max(0, centre - half),
    high: successes === requests ? 1 : Math.min(1, centre + half),
  };
}

/** Nano-dollars that the CJK multiplier added to what a model's calls cost, beyond the plain price of their tokens. */
export function surchargeNanoUsd(price: ModelPrice, usage: TokenUsage, chargedNanoUsd: number): number {
  if (price.cjkMultiplierPercent === 100) return 0;
  const plain = costNanoUsd({ ...price, cjkMultiplierPercent: 100 }, usage, { characters: 0, cjkCharacters: 0 });
  return Math.max(0, chargedNanoUsd - plain);
}
