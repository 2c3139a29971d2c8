/** A busy event loop is late by some tens of milliseconds; by more, the process or its whole machine stood still. */
const stoodStillMs = 100;

/** Enough for a provider that stood still with us to say what it was about to say. */
const secondChanceMs = 1_000;

/**
 * Limits how long somebody else may be silent. After a pause of the whole process timers are due before anything is read,
 * and the provider was not the one that was silent: what waits in the sockets comes first; and after a pause that made the
 * timer itself late, what a provider on the same machine could not send meanwhile gets a second chance, once.
 */
export class PauseTolerantTimer {
  private timer: NodeJS.Timeout | undefined;
  private immediate: NodeJS.Immediate | undefined;
  private ms = 0;
  private dueAtMs = 0;
  private isSecondChance = false;
  private onDue = (): void => undefined;

  start(ms: number, onDue: () => void): void {
    this.clear();
    this.ms = ms;
    this.onDue = onDue;
    this.dueAtMs = performance.now() + ms;
    this.timer = setTimeout(() => this.timePassed(), ms);
  }

  /** The same again, from now; nothing after `clear`. */
  restart(): void {
    if (this.isSecondChance) {
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
    this.isSecondChance = false;
  }

  private timePassed(): void {
    if (this.isSecondChance || performance.now() - this.dueAtMs < stoodStillMs) {
      this.immediate = setImmediate(this.onDue);
      return;
    }
    this.isSecondChance = true;
    this.timer = setTimeout(() => this.timePassed(), secondChanceMs);
  }
}
