import * as fc from 'fast-check';
import type { ModelPrice } from '../../../src/contract/policy';
import {
  billNanoUsd,
  migrationReport,
  migrationVerdict,
  roundHalfEven,
  successInterval,
  surchargeNanoUsd,
} from '../../../src/domain/rollout/migration-report';

const arm = (successes: number, failures: number, latencyMeanMs: number | null) => ({
  successes,
  failures,
  latencyMeanMs,
});

describe('the migration report', () => {
  it('has exactly the guide’s format', () => {
    expect(JSON.stringify(migrationReport(arm(765, 135, 420), arm(100, 0, 180)))).toBe(
      '{"legacy":{"requests":900,"avg_latency_ms":420},' +
        '"canary":{"requests":100,"avg_latency_ms":180,"ready_to_promote":true},' +
        '"improvement":{"latency_reduction_pct":57.1}}',
    );
  });

  // What the guide's own program printed for the same figures.
  it.each([
    ['no data at all', arm(0, 0, null), arm(0, 0, null), 0, 0, false, 0],
    ['no data of legacy', arm(0, 0, null), arm(3, 0, 180.004), 0, 180, true, 0],
    ['no data of the canary', arm(3, 0, 420.5), arm(0, 0, null), 420.5, 0, false, 100],
    ['a latency at half a unit', arm(1, 0, 0.125), arm(1, 0, 0.375), 0.12, 0.38, true, 62.5],
    ['a canary that is slower', arm(1, 0, 100), arm(1, 0, 1000.05), 100, 1000.05, true, -900],
    ['a legacy below a millisecond', arm(1, 0, 0.5), arm(1, 0, 0.25), 0.5, 0.25, true, 75],
    ['98.9% of success', arm(1, 0, 420), arm(989, 11, 180), 420, 180, false, 57.1],
    ['99% of success', arm(1, 0, 420), arm(99, 1, 180), 420, 180, true, 57.1],
  ])('matches the guide for %s', (_, legacy, canary, legacyMs, canaryMs, ready, reduction) => {
    expect(migrationReport(legacy, canary)).toEqual({
      legacy: { requests: legacy.successes + legacy.failures, avg_latency_ms: legacyMs },
      canary: {
        requests: canary.successes + canary.failures,
        avg_latency_ms: canaryMs,
        ready_to_promote: ready,
      },
      improvement: { latency_reduction_pct: reduction },
    });
  });

  it('claims no improvement if nobody measured the legacy provider’s latency', () => {
    expect(migrationReport(arm(0, 5, null), arm(5, 0, 180)).improvement.latency_reduction_pct).toBe(0);
  });

  it.each([
    [0.125, 2, 0.12],
    [0.375, 2, 0.38],
    [2.675, 2, 2.67],
    [1.005, 2, 1],
    [0.25, 1, 0.2],
    [-0.25, 1, -0.2],
    [0.75, 1, 0.8],
    [0.35, 1, 0.3],
    [-900.05, 1, -900],
    [57.142857142857146, 1, 57.1],
    [-0.04, 1, 0],
  ])('rounds %d to %d decimals as Python does', (value, decimals, expected) => {
    expect(roundHalfEven(value, decimals)).toBe(expected);
  });

  it('ends with the guide’s words', () => {
    expect(migrationVerdict(migrationReport(arm(9, 1, 420), arm(10, 0, 180)))).toEqual([
      '✅ Canary metrics look great! Ready to promote to 100% traffic.',
      '   Latency improvement: 57.1%',
    ]);
    expect(migrationVerdict(migrationReport(arm(9, 1, 420), arm(9, 1, 180)))).toEqual([
      '⚠️ Canary needs more data before promotion. Continue monitoring.',
    ]);
  });
});

describe('the confidence interval of a success rate', () => {
  // From Wilson's formula, computed with 30 digits.
  it.each([
    [0, 10, 0, 0.2775],
    [10, 10, 0.7225, 1],
    [81, 263, 0.2553, 0.3662],
    [997, 1000, 0.9912, 0.999],
  ])('of %d in %d is %d to %d', (successes, requests, low, high) => {
    const interval = successInterval(successes, requests);
    expect(interval?.low).toBeCloseTo(low, 4);
    expect(interval?.high).toBeCloseTo(high, 4);
  });

  it('is unknown without requests', () => expect(successInterval(0, 0)).toBeNull());

  it('contains the rate and stays between 0 and 1', () => {
    const counts = fc.nat(100_000).chain((requests) => fc.tuple(fc.nat(requests), fc.constant(requests)));
    fc.assert(
      fc.property(counts, ([successes, requests]) => {
        fc.pre(requests > 0);
        const { low, high } = successInterval(successes, requests) ?? { low: NaN, high: NaN };
        expect(low).toBeGreaterThanOrEqual(0);
        expect(low).toBeLessThanOrEqual(successes / requests);
        expect(high).toBeGreaterThanOrEqual(successes / requests);
        expect(high).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('the surcharge', () => {
  const price: ModelPrice = {
    inputNanoUsdPerMillion: 2_800_000_000,
    outputNanoUsdPerMillion: 2_800_000_000,
    cachedInputNanoUsdPerMillion: 2_800_000_000,
    cjkMultiplierPercent: 300,
  };
  const usage = { promptTokens: 600, cachedPromptTokens: 0, completionTokens: 400 };

  it('is what was charged beyond the plain price of the tokens', () => {
    expect(surchargeNanoUsd(price, usage, 8_400_000)).toBe(5_600_000);
    expect(surchargeNanoUsd(price, usage, 2_800_000)).toBe(0);
  });

  it('is zero if there is none, whatever the prices were', () => {
    expect(surchargeNanoUsd({ ...price, cjkMultiplierPercent: 100 }, usage, 8_400_000)).toBe(0);
  });
});

describe('the bill of the same tokens at another price', () => {
  const price: ModelPrice = {
    inputNanoUsdPerMillion: 2_000_000_000,
    outputNanoUsdPerMillion: 4_000_000_000,
    cachedInputNanoUsdPerMillion: 1_000_000_000,
    cjkMultiplierPercent: 300,
  };
  const usages = [
    { promptTokens: 600, cachedPromptTokens: 200, completionTokens: 100 },
    { promptTokens: 0, cachedPromptTokens: 0, completionTokens: 50 },
  ];

  it('prices prompt, cached prompt and completion, and adds the surcharge that such text had there', () => {
    expect(billNanoUsd(price, usages, 0)).toBe(800_000 + 200_000 + 400_000 + 200_000);
    expect(billNanoUsd(price, usages, 0.5)).toBe(2_400_000);
    expect(billNanoUsd(price, [], 0.5)).toBe(0);
  });
});
