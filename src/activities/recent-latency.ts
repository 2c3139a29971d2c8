import type { Delivery } from '../contract/chat';

/** Calls that are remembered of each target, and how many must be known before they outweigh the configuration. */
const window = 64;
const enough = 20;

/** How long each target's answers took of late, as seen by this worker; those that came as a stream apart. */
export class RecentLatency {
  private readonly latencies = new Map<string, number[]>();

  add(target: string, delivery: Delivery, latencyMs: number): void {
    const key = keyOf(target, delivery);
    const known = this.latencies.get(key) ?? [];
    known.push(latencyMs);
    if (known.length > window) known.shift();
    this.latencies.set(key, known);
  }

  /** Milliseconds, or undefined while too few calls are known. */
  p95(target: string, delivery: Delivery): number | undefined {
    const known = this.latencies.get(keyOf(target, delivery));
    if (!known || known.length < enough) return undefined;
    return known.toSorted((a, b) => a - b)[Math.ceil(known.length * 0.95) - 1];
  }
}

/** `collected` and `streamed` are the same call. */
function keyOf(target: string, delivery: Delivery): string {
  return `${delivery === 'whole' ? 'whole' : 'stream'} ${target}`;
}
