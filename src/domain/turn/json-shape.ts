export interface ShapeLimits {
  /** The value itself is at depth 0. */
  readonly maxDepth: number;
  /** The total number of fields and entries, including the value itself. */
  readonly maxValues: number;
}

/**
 * Which limit a JSON value exceeds, or null. Depth first with an explicit stack: recursion would overflow on exactly the
 * values that matter, and breadth first would keep whole levels in memory.
 */
export function exceededLimit(json: unknown, limits: ShapeLimits): keyof ShapeLimits | null {
  let values = 0;
  const path: Iterator<unknown>[] = [[json].values()];
  for (let level = path.at(-1); level !== undefined; level = path.at(-1)) {
    const { done, value } = level.next();
    if (done) {
      path.pop();
      continue;
    }
    values += 1;
    if (values > limits.maxValues) return 'maxValues';
    if (path.length - 1 > limits.maxDepth) return 'maxDepth';
    if (typeof value === 'object' && value !== null) path.push(Object.values(value).values());
  }
  return null;
}
