/** Pseudo-random numbers from 0 to 1, the same sequence for the same seed (mulberry32). */
export function seededRandom(seed: string): () => number {
  let state = hash(seed);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value;
}

export type Latency =
  | { readonly kind: 'fixed'; readonly ms: number }
  /** Most values below the mean, with a long tail, like real models. `p95Ms` is at most 3.8 × `meanMs`. */
  | { readonly kind: 'lognormal'; readonly meanMs: number; readonly p95Ms: number };

/** The 95th percentile of the standard normal distribution. */
const normal95 = 1.645;

/**
 * Draws a latency, in milliseconds, from two random numbers from 0 to 1.
 * @throws RangeError when no lognormal distribution has this mean and p95
 */
export function sampleLatencyMs(latency: Latency, first: number, second: number): number {
  if (latency.kind === 'fixed') return latency.ms;
  // mean = exp(mu + sigma²/2) and p95 = exp(mu + 1.645 sigma), solved for sigma.
  const logRatio = Math.log(latency.p95Ms / latency.meanMs);
  const root = normal95 ** 2 - 2 * logRatio;
  if (!(logRatio >= 0 && root >= 0)) {
    throw new RangeError(
      `A lognormal latency with mean ${latency.meanMs} ms and p95 ${latency.p95Ms} ms does not exist; p95 must be 1 to 3.8 times the mean.`,
    );
  }
  const sigma = normal95 - Math.sqrt(root);
  const mu = Math.log(latency.meanMs) - sigma ** 2 / 2;
  // Box–Muller; 1 - first is never 0.
  const normal = Math.sqrt(-2 * Math.log(1 - first)) * Math.cos(2 * Math.PI * second);
  return Math.exp(mu + sigma * normal);
}
