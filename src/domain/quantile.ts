/**
 * The nearest-rank percentile: the smallest of `values` that `percent` percent of them do not exceed; undefined if there
 * are none. `percent` is a whole number, so that rounding cannot shift the rank.
 */
export function quantile(values: readonly number[], percent: number): number | undefined {
  return values.toSorted((one, other) => one - other)[nearestRank(values.length, percent) - 1];
}

/** The rank of that value in ascending order, from 1. */
export function nearestRank(count: number, percent: number): number {
  return Math.ceil((count * percent) / 100);
}
