/** A busy event loop is late by tens of milliseconds; if it is later, the process or its whole machine was paused. */
const pauseThresholdMs = 100;

/** Enough for a provider that was paused along with us to send what was due. */
const graceMs = 1_000;

/**
 * A timeout for a peer's silence that does not blame the peer for a pause of our own process. After such a pause, timers
 * fire before pending data is read, so data that is waiting in the sockets is processed first. If the pause made the timer
 * itself late, a provider on the same machine may have been paused, too, and gets extra time, once.
 */
export class PauseTolerantTimer {
  private timer: NodeJS.Timeout | undefined;
  private immediate: NodeJS.Immediate | undefined;
  private ms = 0;
  private dueAtMs = 0;
  private isGracePeriod = false;
  private onDue = (): void => undefined;

  start(ms: number, onDue: () => void): void {
    this.clear();
    this.ms = ms;
    this.onDue = onDue;
    this.dueAtMs = performance.now() + ms;
    this.timer = setTimeout(() => this.onTimeout(), ms);
  }

  /** Restarts the timeout from now; does nothing after `clear`. */
  restart(): void {
    if (this.isGracePeriod) {
      this.start(this.ms, this.onDue);
      return;
    }
    clearImmediate(this.immediate);
    this.dueAtMs = performance.now() + this.ms;
    this.timer?.refresh();
  }

  clear(): void {
    clearTimeout(this.timer);
    clearImmediate(this.immediate);
    this.timer = undefined;
    this.isGracePeriod = false;
  }

  private onTimeout(): void {
    if (this.isGracePeriod || performance.now() - this.dueAtMs < pauseThresholdMs) {
      this.immediate = setImmediate(this.onDue);
      return;
    }
    this.isGracePeriod = true;
    this.timer = setTimeout(() => this.onTimeout(), graceMs);
  }
}
