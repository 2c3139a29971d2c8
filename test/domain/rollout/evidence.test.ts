import { binomialEvidence, cleanRequestsToGo, isReached, measure } from '../../../src/domain/rollout/evidence';
import { defaultRolloutGates as gates } from '../../../src/domain/rollout/plans';
import { exactChances } from './exact-chances';
import { arm, provenAt, Rollout } from './given';

const good = provenAt(new Rollout().state, 0);

describe('the evidence for advancing and for a breach', () => {
  const { minimumSuccessRate: atLeast, expectedSuccessRate: expected, breachSuccessRate: breached } = gates;
  const advanceNeeds = Math.log(1 / gates.alpha);
  const breachNeeds = Math.log(1 / gates.beta);
  const verdict = (requests: number, failures: number) => {
    const successes = requests - failures;
    if (binomialEvidence(successes, failures, expected, atLeast) >= advanceNeeds) return 'advance';
    return binomialEvidence(successes, failures, breached, atLeast) >= breachNeeds ? 'breach' : null;
  };

  it.each([
    { rate: 0.97, advances: 1e-13, breaches: 1, meanRequests: 655 },
    { rate: 0.98, advances: 5e-9, breaches: 1, meanRequests: 1828 },
    { rate: 0.99, advances: 0.001, breaches: 0.0008, meanRequests: null },
    { rate: 0.995, advances: 0.946, breaches: 6e-9, meanRequests: 6451 },
    { rate: 0.997, advances: 1, breaches: 3e-12, meanRequests: 2025 },
  ])('decides as computed exactly at a true success rate of $rate', ({ rate, advances, breaches, meanRequests }) => {
    const exact = exactChances(rate, 20_000, verdict);
    // The figures have one or three digits.
    expect(Math.abs(exact.advances / advances - 1)).toBeLessThan(0.25);
    expect(Math.abs(exact.breaches / breaches - 1)).toBeLessThan(0.25);
    if (meanRequests !== null) expect(Math.abs(exact.meanRequests - meanRequests)).toBeLessThan(1);
  });

  it('keeps its bounds at the minimum, however often it is checked', () => {
    const exact = exactChances(atLeast, 20_000, verdict);
    expect(exact.advances).toBeLessThanOrEqual(gates.alpha);
    expect(exact.breaches).toBeLessThanOrEqual(gates.beta);
  });

  it('lets 99% of canaries at 99.7% advance within 5,106 requests', () => {
    expect(exactChances(0.997, 20_000, verdict).advancesBy99Percent).toBe(5106);
  });

  it('needs 981 requests without a failure', () => {
    const clean = (requests: number) =>
      measure({ ...good, canarySuccesses: requests, canaryFailures: 0 }, gates, 10).advance;
    expect(isReached(clean(980))).toBe(false);
    expect(isReached(clean(981))).toBe(true);
    expect(cleanRequestsToGo(clean(0), gates)).toBe(981);
    expect(cleanRequestsToGo(clean(900), gates)).toBe(81);
    expect(cleanRequestsToGo(clean(2000), gates)).toBe(0);
  });

  it('takes E from all bakes and D from this one', () => {
    const { advance, breach } = measure(
      { ...good, canarySuccesses: 5000, canaryFailures: 10, canary: arm(100, 9) },
      gates,
      10,
    );
    expect(advance.value).toBeCloseTo(5000 * Math.log(0.997 / 0.99) + 10 * Math.log(0.003 / 0.01), 10);
    expect(breach.value).toBeCloseTo(91 * Math.log(0.98 / 0.99) + 9 * Math.log(2), 10);
  });
});

describe("the migration guide's own rule, a success rate of 99% at some check", () => {
  const passes = (lookEvery: number, minimum: number) => (requests: number, failures: number) =>
    requests % lookEvery === 0 && requests >= minimum && failures * 100 <= requests ? 'advance' : null;

  it.each([
    { looks: 'every request', lookEvery: 1, minimum: 1, promoted: 0.98 },
    { looks: 'every 50 requests', lookEvery: 50, minimum: 50, promoted: 0.55 },
    { looks: 'every 50 requests, 100 at least', lookEvery: 50, minimum: 100, promoted: 0.47 },
  ])('promotes a canary at 98% in $promoted of runs if checked $looks', ({ lookEvery, minimum, promoted }) => {
    expect(exactChances(0.98, 5000, passes(lookEvery, minimum)).advances).toBeCloseTo(promoted, 2);
  });
});
