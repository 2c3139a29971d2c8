import type { RolloutGates } from '../../contract/rollout';

/** How many canary requests it takes until the evidence for advancing is there. */
export interface RequestsNeeded {
  readonly mean: number;
  /** Enough in 99 of 100 rollouts. */
  readonly ninetyNinePercent: number;
  /** Probability that so many requests suffice; null when only approximated. */
  readonly sufficient: ((requests: number) => number) | null;
  /** `exact`: the rule followed request by request; `approximate`: Wald's approximation, for gates that need very many. */
  readonly method: 'exact' | 'approximate';
}

/** Up to this mean every request is followed: a second at most, a twentieth for the default gates. */
const maxExactMean = 20_000;
/** What is left of all rollouts when following them ends. */
const negligible = 1e-6;

/** For a canary whose true success rate is the gates' expected one, looked at after every request. */
export function requestsNeeded(gates: RolloutGates): RequestsNeeded {
  const { alpha, minimumSuccessRate, expectedSuccessRate } = gates;
  const gain = Math.log(expectedSuccessRate / minimumSuccessRate);
  const loss = Math.log((1 - minimumSuccessRate) / (1 - expectedSuccessRate));
  const needed = Math.log(1 / alpha);
  const drift = expectedSuccessRate * gain - (1 - expectedSuccessRate) * loss;
  const waldMean = needed / drift;
  if (waldMean > maxExactMean) return approximation(waldMean);
  // A failure at the beginning has to be made good as well: where little evidence is needed, that takes the longest.
  const maxRequests = Math.ceil(((needed + loss) / drift) * 20);
  return follow({ gain, loss, needed, failureRate: 1 - expectedSuccessRate, maxRequests });
}

interface Walk {
  /** Evidence that a success adds and a failure takes away. */
  readonly gain: number;
  readonly loss: number;
  readonly needed: number;
  readonly failureRate: number;
  readonly maxRequests: number;
}

/**
 * After n requests the evidence is there once there were few enough failures. `undecided[f]` is the probability of f
 * failures with the evidence never there so far.
 */
function follow({ gain, loss, needed, failureRate, maxRequests }: Walk): RequestsNeeded {
  const decidedBy: number[] = [0];
  let undecided = [1];
  let firstFailures = 0;
  let left = 1;
  let mean = 0;
  for (let n = 1; n <= maxRequests && left > negligible; n += 1) {
    mean += left;
    const next = Array.from({ length: undecided.length + 1 }, () => 0);
    for (const [index, probability] of undecided.entries()) {
      next[index] = (next[index] ?? 0) + probability * (1 - failureRate);
      next[index + 1] = (next[index + 1] ?? 0) + probability * failureRate;
    }
    const enough = Math.floor((n * gain - needed) / (gain + loss));
    while (firstFailures <= enough && next.length > 0) {
      left -= next.shift() ?? 0;
      firstFailures += 1;
    }
    while ((next.at(-1) ?? 1) < 1e-15) next.pop();
    undecided = next;
    decidedBy.push(1 - left);
  }
  return {
    mean,
    ninetyNinePercent: decidedBy.findIndex((probability) => probability >= 0.99),
    sufficient: (requests) => decidedBy[Math.min(Math.max(0, Math.floor(requests)), decidedBy.length - 1)] ?? 0,
    method: 'exact',
  };
}

/** The time to decide is skewed: its 99 % quantile lies near 2.5 times its mean. */
function approximation(mean: number): RequestsNeeded {
  return { mean, ninetyNinePercent: 2.5 * mean, sufficient: null, method: 'approximate' };
}
