/** What a sequential test on successes and failures comes to, computed exactly: by adding up over all ways there. */
export interface ExactChances {
  readonly advances: number;
  readonly breaches: number;
  /** Requests until one of the two, those who decide nothing counted at the last request. */
  readonly meanRequests: number;
  /** The smallest number of requests by which 99 % of all ways have advanced; null when they never do. */
  readonly advancesBy99Percent: number | null;
  /** The smallest number of requests by which this share of all ways has advanced; null when it never does. */
  readonly advancedAfter: (share: number) => number | null;
}

/**
 * `verdict` says what so many requests with so many failures lead to; the fewest failures advance, the most breach. Only
 * the undecided go on, so that few numbers of failures have to be kept.
 */
export function exactChances(
  successRate: number,
  requests: number,
  verdict: (requests: number, failures: number) => 'advance' | 'breach' | null,
): ExactChances {
  const chances = new Float64Array(requests + 2);
  chances[0] = 1;
  let [fewest, most] = [0, 0];
  let [advances, breaches, weighted] = [0, 0, 0];
  const advancedBy: number[] = [];
  for (let count = 1; count <= requests; count += 1) {
    most += 1;
    for (let failures = most; failures >= fewest; failures -= 1) {
      const succeeds = (chances[failures] ?? 0) * successRate;
      chances[failures] = succeeds + (failures > fewest ? (chances[failures - 1] ?? 0) * (1 - successRate) : 0);
    }
    for (; fewest <= most && verdict(count, fewest) === 'advance'; fewest += 1) {
      advances += chances[fewest] ?? 0;
      weighted += count * (chances[fewest] ?? 0);
    }
    for (; most >= fewest && verdict(count, most) === 'breach'; most -= 1) {
      breaches += chances[most] ?? 0;
      weighted += count * (chances[most] ?? 0);
      chances[most] = 0;
    }
    advancedBy.push(advances);
  }
  const advancedAfter = (share: number): number | null => advancedBy.findIndex((by) => by >= share) + 1 || null;
  return {
    advances,
    breaches,
    meanRequests: weighted + requests * (1 - advances - breaches),
    advancesBy99Percent: advancedAfter(0.99),
    advancedAfter,
  };
}
