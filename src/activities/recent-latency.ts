/** Calls that are remembered of each target, and how many must be known before they outweigh the configuration. */
const window = 64;
const enough = 20;

/** How long each target's answers took of late, as seen by this worker. */
export class RecentLatency {
  private readonly latencies = new Map<string, number[]>();

  add(target: string, latencyMs: number): void {
    const known = this.latencies.get(target) ?? [];
    known.push(latencyMs);
    if (known.length > window) known.shift();
    this.latencies.set(target, known);
  }

  /** Milliseconds, or undefined while too few calls are known. */
  p95(target: string): number | undefined {
    const known = this.latencies.get(target);
    if (!known || known.length < enough) return undefined;
    return known.toSorted((a, b) => a - b)[Math.ceil(known.length * 0.95) - 1];
  }
}
