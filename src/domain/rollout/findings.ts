import type { Evidence, RolloutSpec, RolloutState } from '../../contract/rollout';
import { toUsd } from '../turn/prices';
import { formatDuration } from './clock';
import { cleanRequestsToGo, isReached, measure, type Measures, requestsOf, type TestValue } from './evidence';

/** What the evidence shows. Each finding is a sentence that includes its numbers. */
export interface Findings {
  /** Why there is no usable evidence: it could not be read, or it is stale. */
  readonly blind: string | null;
  /** The canary fails more often than allowed. */
  readonly breach: string | null;
  /** The canary fails more often than the baseline. */
  readonly worse: string | null;
  /** What holds the rollout until a person has looked at it: wrong share of users, latency, cost. */
  readonly alarms: readonly string[];
  /** What is still missing to advance; empty if nothing is. */
  readonly missing: readonly string[];
  /** E and the success rates of both arms; empty if there is no evidence. */
  readonly figures: string;
}

export function findingsOf(spec: RolloutSpec, state: RolloutState, evidence: Evidence | null, atMs: number): Findings {
  const blind = missingData(spec, state, evidence, atMs);
  if (blind !== null || evidence === null)
    return { blind, breach: null, worse: null, alarms: [], missing: [], figures: '' };

  const measures = measure(evidence, spec.gates, state.percent);
  const worse = isReached(measures.worse)
    ? `${spec.canaryArm} fails more often than ${spec.baselineArm}: ${ratesOf(spec, evidence)} (${shown(measures.worse)}).`
    : null;
  return {
    blind: null,
    breach: isReached(measures.breach)
      ? `${spec.canaryArm} is below ${percentOf(spec.gates.minimumSuccessRate)}: ${ratesOf(spec, evidence)} (D ${shown(measures.breach)}).`
      : null,
    worse,
    alarms: alarmsOf(spec, evidence, measures, state.percent),
    missing: [...missingOf(spec, evidence, measures), ...(worse === null ? [] : [worse])],
    figures: `${describeAdvance(measures.advance, spec)}; ${ratesOf(spec, evidence)}.`,
  };
}

/** The evidence for advancing, in one line: `E 5.1 of 6.9, about 254 clean requests to go`. */
export function describeAdvance(advance: TestValue, spec: RolloutSpec): string {
  if (isReached(advance)) return `E ${shown(advance)}`;
  return `E ${shown(advance)}, about ${cleanRequestsToGo(advance, spec.gates)} clean requests to go`;
}

/** `canary 99.70% of 1012, baseline 85.1% of 9100`. */
export function ratesOf(spec: RolloutSpec, { canary, baseline }: Evidence): string {
  return [canary, baseline]
    .map((arm, index) => {
      const requests = requestsOf(arm);
      const name = index === 0 ? spec.canaryArm : spec.baselineArm;
      return requests === 0 ? `${name} no requests` : `${name} ${percentOf(arm.successes / requests)} of ${requests}`;
    })
    .join(', ');
}

/** A larger share of the canary's requests from one API key is reported, but does not hold: many services have only one. */
const largestKeyShare = 0.5;

/** Reports an API key with most of the canary's requests; null if there is none, or there are too few requests to say. */
export function oneKeyFinding({ gates, canaryArm }: RolloutSpec, evidence: Evidence): string | null {
  const requests = requestsOf(evidence.canary);
  const { canaryLargestKey: largest } = evidence;
  if (largest === undefined || requests < gates.minimumStepRequests) return null;
  const share = largest.requests / requests;
  if (share <= largestKeyShare) return null;
  return `${largest.requests} of the ${requests} requests of ${canaryArm} in this bake (${percentOf(share)}) come from one API key, ${largest.keyId}: the evidence is mostly about its traffic.`;
}

export function shown({ value, needed }: TestValue): string {
  return `${value.toFixed(1)} of ${needed.toFixed(1)}`;
}

export function percentOf(share: number): string {
  return `${(share * 100).toFixed(2).replace(/\.?0+$/, '')}%`;
}

function missingData(
  { gates, canaryArm }: RolloutSpec,
  { bake }: RolloutState,
  evidence: Evidence | null,
  atMs: number,
): string | null {
  if (evidence === null || evidence.bake !== bake) return 'The evidence could not be read. No data is never success.';
  if (evidence.newestCanaryAtMs === null) return `No request of ${canaryArm} has ended since the split was set.`;
  const ageMs = atMs - evidence.newestCanaryAtMs;
  if (ageMs <= gates.freshnessMs) return null;
  return `The newest request of ${canaryArm} ended ${formatDuration(ageMs)} ago; older than ${formatDuration(gates.freshnessMs)} is no data.`;
}

function missingOf(spec: RolloutSpec, evidence: Evidence, { advance }: Measures): string[] {
  const { gates, canaryArm } = spec;
  const requests = requestsOf(evidence.canary);
  const missing: string[] = [];
  if (!isReached(advance)) missing.push(`${describeAdvance(advance, spec)}.`);
  if (requests < gates.minimumStepRequests) {
    missing.push(`${requests} of ${gates.minimumStepRequests} requests of ${canaryArm} in this step.`);
  }
  return missing;
}

function alarmsOf(
  { gates, canaryArm, baselineArm }: RolloutSpec,
  { canary, baseline, canarySlowCalls, canaryTimedCalls }: Evidence,
  { wrongShare, slower, cost }: Measures,
  percent: number,
): string[] {
  const alarms: string[] = [];
  if (isReached(wrongShare)) {
    const users = canary.users + baseline.users;
    alarms.push(
      `${canary.users} of ${users} users are on ${canaryArm}, too far from ${percent}% for chance (${shown(wrongShare)}): the split itself is broken, so its figures say nothing.`,
    );
  }
  if (slower !== null && isReached(slower)) {
    alarms.push(
      `${canaryArm} is slower: ${canarySlowCalls} of ${canaryTimedCalls} calls took more than ${gates.maxLatencyPercent}% of ${baselineArm}'s p95 of ${baseline.latencyP95Ms} ms (${shown(slower)}).`,
    );
  }
  if (cost !== null && cost.perSuccess > cost.limit) {
    alarms.push(
      `${canaryArm} costs $${toUsd(Math.round(cost.perSuccess))} per successful turn, the limit is $${toUsd(Math.round(cost.limit))}.`,
    );
  }
  return alarms;
}
