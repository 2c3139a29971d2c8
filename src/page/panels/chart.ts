import type { Point } from './scales';

/** What a chart of lines over time shows. */
export interface Chart {
  /** What the chart shows, for screen readers. */
  readonly label: string;
  readonly series: readonly Series[];
  readonly marks: readonly Mark[];
  readonly format: (value: number) => string;
}

export interface Series {
  readonly name: string;
  readonly look: 'canary' | 'baseline';
  readonly points: readonly Point[];
}

/** Something that happened, at its time on the chart. */
export interface Mark {
  readonly atMs: number;
  readonly title: string;
  readonly detail: string;
}

/** The times of all points and marks, ascending: where the cursor can stand. */
export function timesOf({ series, marks }: Chart): readonly number[] {
  const times = [...series.flatMap(({ points }) => points), ...marks].map(({ atMs }) => atMs);
  return [...new Set(times)].toSorted((one, other) => one - other);
}

/** The last known value at that time or before; null before the first, or if the value is unknown. */
export function valueAt({ points }: Series, atMs: number): number | null {
  return points.findLast((point) => point.atMs <= atMs)?.value ?? null;
}

/** The times ascend. */
export function nearestIndex(timesMs: readonly number[], atMs: number): number {
  return timesMs.reduce(
    (nearest, timeMs, index) =>
      Math.abs(timeMs - atMs) < Math.abs((timesMs[nearest] ?? Infinity) - atMs) ? index : nearest,
    0,
  );
}
