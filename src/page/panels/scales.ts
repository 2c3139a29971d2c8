/** Where things are drawn: scales, ticks and paths, without a browser. */

export interface Point {
  readonly atMs: number;
  /** Null: unknown at that time, so the line is broken there. */
  readonly value: number | null;
}

export type Scale = (value: number) => number;

/** Values outside of `from` to `to` are drawn at its ends. */
export function scaleOf(from: number, to: number, start: number, end: number): Scale {
  const span = to - from || 1;
  return (value) => start + ((Math.min(to, Math.max(from, value)) - from) / span) * (end - start);
}

export interface Range {
  readonly low: number;
  readonly high: number;
}

/**
 * What an axis shows. The threshold must be readable, so no value far beyond it may flatten the rest: with one, the axis ends
 * at thrice the threshold, and as far below 0 as the threshold is above.
 */
export function rangeOf(values: readonly number[], threshold: number | null): Range {
  const lowest = values.reduce((low, value) => Math.min(low, value), 0);
  const highest = values.reduce((high, value) => Math.max(high, value), 0);
  if (threshold === null || threshold <= 0)
    return { low: lowest, high: highest > lowest ? highest * 1.05 : lowest + 1 };
  return {
    low: Math.max(lowest, -threshold),
    high: Math.max(threshold * 1.25, Math.min(highest * 1.05, threshold * 3)),
  };
}

/** Round numbers within the range, about `count` of them. */
export function ticksOf({ low, high }: Range, count: number): readonly number[] {
  const rough = (high - low) / count;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  // No range at all, or one that numbers cannot divide.
  if (!(magnitude > 0 && Number.isFinite(magnitude))) return [low];
  const step = magnitude * ([1, 2, 5].find((factor) => factor * magnitude >= 0.75 * rough) ?? 10);
  const first = Math.ceil(low / step);
  const length = Math.floor(high / step) - first + 1;
  // Multiplied, as repeated addition of 0.1 would drift.
  return Array.from({ length }, (_, index) => (first + index) * step);
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const tickStepsMs = [
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * minuteMs),
  ...[1, 2, 3, 6, 12].map((hours) => hours * hourMs),
  ...[1, 2, 7, 14, 28, 91, 364].map((days) => days * dayMs),
];

/** At most `count` round times of the viewer's clock. */
export function timeTicks(fromMs: number, toMs: number, count: number): readonly number[] {
  const stepMs = tickStepsMs.find((step) => (toMs - fromMs) / step <= count) ?? toMs - fromMs + 1;
  const offsetMs = new Date(fromMs).getTimezoneOffset() * minuteMs;
  const firstMs = Math.ceil((fromMs - offsetMs) / stepMs) * stepMs + offsetMs;
  const length = Math.max(0, Math.floor((toMs - firstMs) / stepMs) + 1);
  return Array.from({ length: Math.min(length, count + 1) }, (_, index) => firstMs + index * stepMs);
}

/** An SVG path, broken where a value is unknown or the next point is more than `gapMs` later. A lone point is a dot. */
export function pathOf(points: readonly Point[], x: Scale, y: Scale, gapMs: number): string {
  let path = '';
  let previousMs: number | null = null;
  for (const { atMs, value } of points) {
    if (value === null) {
      previousMs = null;
      continue;
    }
    const place = `${x(atMs).toFixed(1)} ${y(value).toFixed(1)}`;
    // A line of no length has round ends: a dot.
    path += previousMs === null || atMs - previousMs > gapMs ? `M${place}h0` : `L${place}`;
    previousMs = atMs;
  }
  return path;
}
