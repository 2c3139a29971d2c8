/** A key's limit on requests lets no more than a minute's work pass in a minute. */
const longestWaitMs = 60_000;

/** Spreads the work of each key over time: what comes faster than its pace waits for its turn. */
export class Pacing {
  /** When the next of a key may begin; those of the past are forgotten. */
  private readonly nextAtMs = new Map<string, number>();

  /** Milliseconds to wait before what takes `takesMs` at the key's pace may begin; null where that is over a minute. */
  waitMs(key: string, takesMs: number, nowMs: number): number | null {
    this.forgetPast(nowMs);
    const startAtMs = Math.max(nowMs, this.nextAtMs.get(key) ?? nowMs);
    if (startAtMs - nowMs > longestWaitMs) return null;
    // As the last one, so that the oldest stand first.
    this.nextAtMs.delete(key);
    this.nextAtMs.set(key, startAtMs + takesMs);
    return startAtMs - nowMs;
  }

  private forgetPast(nowMs: number): void {
    for (const [key, atMs] of this.nextAtMs) {
      if (atMs > nowMs) return;
      this.nextAtMs.delete(key);
    }
  }
}
