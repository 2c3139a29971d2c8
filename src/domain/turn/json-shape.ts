export interface ShapeLimits {
  /** The value itself is at 0. */
  readonly maxDepth: number;
  /** Fields and entries in all, with the value itself. */
  readonly maxValues: number;
}

/**
 * Which limit a value of JSON is beyond, or null. Depth first with a stack of its own: a walk by recursion would fail where it
 * matters, and one by levels would hold whole levels in memory.
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
