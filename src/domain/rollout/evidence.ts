import type { ArmEvidence, Evidence, RolloutGates } from '../../contract/rollout';

/** A sequential test: `value` grows with evidence for what the test is named after and decides at `needed`. */
export interface TestValue {
  readonly value: number;
  readonly needed: number;
}

/**
 * What the evidence says, as log likelihood ratios. The exponential of each is a supermartingale as long as what the
 * test guards against does not hold, so by Ville's inequality a false alarm has at most the probability alpha or beta
 * however often anybody looks.
 */
export interface Measures {
  /** E: over the whole rollout, the canary's success rate is as expected rather than at the minimum. */
  readonly advance: TestValue;
  /** D: in this bake, it is at the breach rate rather than at the minimum. */
  readonly breach: TestValue;
  /** In this bake, the canary fails at twice the odds of the baseline. */
  readonly worse: TestValue;
  /** In this bake, twice as many of its calls as of the baseline's pass the latency limit; null without data or guard. */
  readonly slower: TestValue | null;
  /** In this bake, its share of users is not the split's. */
  readonly wrongShare: TestValue;
  /** Nano-dollars per successful turn of the canary and what they may be, by the stricter guard; null without data or guard. */
  readonly cost: { readonly perSuccess: number; readonly limit: number } | null;
}

export function isReached({ value, needed }: TestValue): boolean {
  return value >= needed;
}

export function requestsOf(arm: ArmEvidence): number {
  return arm.successes + arm.failures;
}

/** `percent` is what the split was set to while the evidence was gathered. */
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

/** How much likelier successes and failures are at one success rate than at another; natural logarithm. */
export function binomialEvidence(successes: number, failures: number, rate: number, againstRate: number): number {
  return successes * Math.log(rate / againstRate) + failures * Math.log((1 - rate) / (1 - againstRate));
}

/** Requests without a failure that would still be needed. */
export function cleanRequestsToGo({ value, needed }: TestValue, gates: RolloutGates): number {
  return Math.max(0, Math.ceil((needed - value) / Math.log(gates.expectedSuccessRate / gates.minimumSuccessRate)));
}

/**
 * If both arms fail alike, the canary has the share `w` of all failures that it has of all requests; at twice the odds,
 * 2w/(1 + w). An incident that hits both arms cancels out.
 */
function worseThanBaseline(canary: ArmEvidence, baseline: ArmEvidence): number {
  const requests = requestsOf(canary) + requestsOf(baseline);
  if (requestsOf(baseline) === 0 || requests === 0) return 0;
  const share = requestsOf(canary) / requests;
  return canary.failures * Math.log(2 / (1 + share)) + baseline.failures * Math.log(1 / (1 + share));
}

/** 5 % of the baseline's calls are slower than its p95: of the canary's, at most so many may pass the limit, not twice. */
const slowShare = 0.05;

function slowerThanBaseline(
  { canaryTimedCalls, canarySlowCalls, baseline }: Evidence,
  { maxLatencyPercent, minimumStepRequests }: RolloutGates,
  alarm: (value: number) => TestValue,
): TestValue | null {
  // A p95 of a few calls is the luck of one.
  const isKnown = baseline.latencyP95Ms !== null && requestsOf(baseline) >= minimumStepRequests;
  if (maxLatencyPercent === null || !isKnown) return null;
  const fastCalls = canaryTimedCalls - canarySlowCalls;
  return alarm(binomialEvidence(canarySlowCalls, fastCalls, 2 * slowShare, slowShare));
}

/**
 * Whether users are split as told, against all other shares alike (a uniform mixture): small until the share is off by
 * more than chance, whenever one looks.
 */
function wrongShare(canaryUsers: number, baselineUsers: number, share: number): number {
  if (share <= 0 || share >= 1) return 0;
  const users = canaryUsers + baselineUsers;
  const anyShare = logFactorial(canaryUsers) + logFactorial(baselineUsers) - logFactorial(users + 1);
  return anyShare - canaryUsers * Math.log(share) - baselineUsers * Math.log(1 - share);
}

/** Not a sequential test: costs of turns have no simple law. So it only ever holds, and only with enough data. */
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

/** ln(n!), exact to 12 digits: by adding up for small numbers, by Stirling's series above. */
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
