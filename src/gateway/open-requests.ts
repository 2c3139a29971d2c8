import { setTimeout as delay } from 'node:timers/promises';

/** Counts the requests under way, so that a gateway that stops can finish them first. */
export class OpenRequests {
  private count = 0;
  private whenNone: (() => void) | null = null;
  private readonly waiters = new Set<() => void>();
  private draining = false;

  /** Takes no new requests any more. */
  get isDraining(): boolean {
    return this.draining;
  }

  get size(): number {
    return this.count;
  }

  /** Calls back when the time for finishing is over. Returns how to call that off. */
  whenOver(callback: () => void): () => void {
    this.waiters.add(callback);
    return () => void this.waiters.delete(callback);
  }

  begin(): void {
    this.count += 1;
  }

  end(): void {
    this.count -= 1;
    if (this.count === 0) this.whenNone?.();
  }

  /** Waits for the last one, `boundMs` at most, then tells those that are left. */
  async drain(boundMs: number): Promise<void> {
    this.draining = true;
    if (this.count === 0) return;
    const none = new Promise<void>((resolve) => {
      this.whenNone = resolve;
    });
    const waiting = new AbortController();
    await Promise.race([none, delay(boundMs, undefined, { signal: waiting.signal }).catch(() => undefined)]);
    waiting.abort();
    for (const callback of this.waiters) callback();
  }
}
