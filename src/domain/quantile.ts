/**
 * The smallest of `values` that `percent` percent of them do not pass (the nearest rank); undefined without any. Percent
 * is a whole number, so that no rank is a fraction's rounding.
 */
export function quantile(values: readonly number[], percent: number): number | undefined {
  return values.toSorted((one, other) => one - other)[nearestRank(values.length, percent) - 1];
}

/** Where that value stands in ascending order, from 1. */
export function nearestRank(count: number, percent: number): number {
  return Math.ceil((count * percent) / 100);
}
