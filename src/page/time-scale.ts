import { formatClock, formatDay } from './format';

const minuteMs = 60_000;
/** Distances between ticks, in minutes. */
const tickMinutes = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7 * 1440, 14 * 1440, 28 * 1440];
const mostTicks = 7;

/** A time line across the whole width of a drawing. */
export class TimeScale {
  constructor(
    readonly startMs: number,
    readonly endMs: number,
  ) {}

  /** In percent of the width, so that the drawing follows its box without a script. */
  x(atMs: number): string {
    return `${this.#share(atMs) * 100}%`;
  }

  span(fromMs: number, toMs: number): { readonly x: string; readonly width: string } {
    return { x: this.x(fromMs), width: `${Math.max(0, this.#share(toMs) - this.#share(fromMs)) * 100}%` };
  }

  isVisible(fromMs: number, toMs: number): boolean {
    return toMs > this.startMs && fromMs < this.endMs;
  }

  /** At full hours and midnights of the viewer. */
  ticks(): readonly { readonly atMs: number; readonly label: string }[] {
    const lengthMinutes = (this.endMs - this.startMs) / minuteMs;
    const distance = tickMinutes.find((minutes) => lengthMinutes / minutes <= mostTicks) ?? lengthMinutes / mostTicks;
    const midnight = new Date(this.startMs);
    midnight.setHours(0, 0, 0, 0);
    const first = Math.ceil((this.startMs - midnight.getTime()) / minuteMs / distance);
    const times = Array.from({ length: mostTicks + 1 }, (_, index) => {
      const at = new Date(midnight);
      // By the calendar, because a day with a change of the clock has not 24 hours.
      at.setMinutes((first + index) * distance);
      return at.getTime();
    });
    return times
      .filter((atMs) => atMs >= this.startMs && atMs <= this.endMs)
      .map((atMs) => ({
        atMs,
        label:
          new Date(atMs).getHours() === 0 && new Date(atMs).getMinutes() === 0 ? formatDay(atMs) : formatClock(atMs),
      }));
  }

  #share(atMs: number): number {
    return Math.min(1, Math.max(0, (atMs - this.startMs) / (this.endMs - this.startMs)));
  }
}
