import type { AnyEvidence, ArmEvidence, Evidence, RolloutGates } from '../../contract/rollout';
import type { UserEvidence } from '../../contract/user-evidence';

/** A sequential test: `value` grows with the evidence for the test's hypothesis, which is accepted at `needed`. */
export interface TestValue {
  readonly value: number;
  readonly needed: number;
}

/**
 * The evidence as log likelihood ratios. Under its null hypothesis, the exponential of each is a supermartingale, so by
 * Ville's inequality the probability of a false alarm is at most alpha or beta, however often one looks.
 */
export interface Measures {
  /** E, over the whole rollout: the canary's success rate is the expected one rather than the minimum. */
  readonly advance: TestValue;
  /** D, in this bake: its success rate is the breach rate rather than the minimum. */
  readonly breach: TestValue;
  /** In this bake: the canary fails at twice the odds of the baseline. */
  readonly worse: TestValue;
  /** In this bake: twice as many of its calls as of the baseline's exceed the latency limit; null without data or guard. */
  readonly slower: TestValue | null;
  /** In this bake: its share of users differs from the split. */
  readonly wrongShare: TestValue;
  /** The canary's nano-dollars per successful turn and the stricter of its limits; null without data or guard. */
  readonly cost: { readonly perSuccess: number; readonly limit: number } | null;
}

export function isReached({ value, needed }: TestValue): boolean {
  return value >= needed;
}

/** The evidence of rule 1; null for that of rule 2, or without evidence. */
export function ofRequests(evidence: AnyEvidence | null): Evidence | null {
  return evidence === null || 'rule' in evidence ? null : evidence;
}

/** The evidence of rule 2; null for that of rule 1, or without evidence. */
export function ofUsers(evidence: AnyEvidence | null): UserEvidence | null {
  return evidence !== null && 'rule' in evidence ? evidence : null;
}

export function requestsOf(arm: ArmEvidence): number {
  return arm.successes + arm.failures;
}

/** `percent` is the canary's share in the split while the evidence was collected. */
export function measure(evidence: Evidence, gates: RolloutGates, percent: number): Measures {
  const { alpha, beta, minimumSuccessRate, expectedSuccessRate, breachSuccessRate } = gates;
  const { baseline, canary, canarySuccesses, canaryFailures } = evidence;
  const alarm = (value: number): TestValue => ({ value, needed: Math.log(1 / beta) });
  return {
    advance: {
      value: binomialEvidence(canarySuccesses, canaryFailures, expectedSuccessRate, minimumSuccessRate),
      needed: Math.log(1 / alpha),
    },
    breach: alarm(binomialEvidence(canary.successes, canary.failures, breachSuccessRate, minimumSuccessRate)),
    worse: alarm(worseThanBaseline(canary, baseline)),
    slower: slowerThanBaseline(evidence, gates, alarm),
    wrongShare: alarm(wrongShare(canary.users, baseline.users, percent / 100)),
    cost: costPerSuccess(canary, baseline, gates),
  };
}

/** Log likelihood ratio (natural) of the counts at `rate` versus `againstRate`. */
export function binomialEvidence(successes: number, failures: number, rate: number, againstRate: number): number {
  return successes * Math.log(rate / againstRate) + failures * Math.log((1 - rate) / (1 - againstRate));
}

/** How many more requests without a failure would reach the threshold. */
export function cleanRequestsToGo({ value, needed }: TestValue, gates: RolloutGates): number {
  return Math.max(0, Math.ceil((needed - value) / Math.log(gates.expectedSuccessRate / gates.minimumSuccessRate)));
}

/**
 * If both arms fail equally often, the canary's share of all failures is its share `w` of all requests; at twice the
 * odds, it is 2w/(1 + w). An incident that hits both arms cancels out.
 */
function worseThanBaseline(canary: ArmEvidence, baseline: ArmEvidence): number {
  const requests = requestsOf(canary) + requestsOf(baseline);
  if (requestsOf(baseline) === 0 || requests === 0) return 0;
  const share = requestsOf(canary) / requests;
  return canary.failures * Math.log(2 / (1 + share)) + baseline.failures * Math.log(1 / (1 + share));
}

/** By definition, 5 % of the baseline's calls are slower than its p95. The alternative is twice as many of the canary's. */
const slowShare = 0.05;

function slowerThanBaseline(
  { canaryTimedCalls, canarySlowCalls, baseline }: Evidence,
  { maxLatencyPercent, minimumStepRequests }: RolloutGates,
  alarm: (value: number) => TestValue,
): TestValue | null {
  // The p95 of a few calls depends on a single one.
  const isKnown = baseline.latencyP95Ms !== null && requestsOf(baseline) >= minimumStepRequests;
  if (maxLatencyPercent === null || !isKnown) return null;
  const fastCalls = canaryTimedCalls - canarySlowCalls;
  return alarm(binomialEvidence(canarySlowCalls, fastCalls, 2 * slowShare, slowShare));
}

/**
 * Tests the configured share of users against all other shares (a uniform mixture). Stays small unless the observed share
 * is off by more than chance, however often one looks.
 */
export function wrongShare(canaryUsers: number, baselineUsers: number, share: number): number {
  if (share <= 0 || share >= 1) return 0;
  const users = canaryUsers + baselineUsers;
  const anyShare = logFactorial(canaryUsers) + logFactorial(baselineUsers) - logFactorial(users + 1);
  return anyShare - canaryUsers * Math.log(share) - baselineUsers * Math.log(1 - share);
}

/** Not a sequential test: the cost of a turn has no simple distribution. So it can only hold a rollout, and only with enough data. */
function costPerSuccess(canary: ArmEvidence, baseline: ArmEvidence, gates: RolloutGates): Measures['cost'] {
  const { maxCostNanoUsdPerSuccess, minimumStepRequests } = gates;
  if (canary.successfulTurns < minimumStepRequests) return null;
  const limits = [maxCostNanoUsdPerSuccess, costLimitByBaseline(baseline, gates)].filter((limit) => limit !== null);
  if (limits.length === 0) return null;
  return { perSuccess: canary.costNanoUsd / canary.successfulTurns, limit: Math.min(...limits) };
}

function costLimitByBaseline(
  baseline: ArmEvidence,
  { maxCostPercent, minimumStepRequests }: RolloutGates,
): number | null {
  if (maxCostPercent === null || baseline.successfulTurns < minimumStepRequests) return null;
  return (baseline.costNanoUsd / baseline.successfulTurns) * (maxCostPercent / 100);
}

/** ln(n!), exact to 12 digits: a sum for small numbers, Stirling's series for large ones. */
function logFactorial(n: number): number {
  if (n < 32) {
    let sum = 0;
    for (let factor = 2; factor <= n; factor += 1) sum += Math.log(factor);
    return sum;
  }
  const x = n + 1;
  return (
    (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + 1 / (12 * x) - 1 / (360 * x ** 3) + 1 / (1260 * x ** 5)
  );
}
