import { measuredProcesses, type MeasuredProcess, type Measurement } from './measure';
import type { Way } from './ways/way';

/** One line of the result: a way at a number of callers, over all rounds. */
export interface Row {
  readonly way: string;
  readonly title: string;
  readonly callers: number;
  /** Measured turns in all rounds; warm-up is not among them. */
  readonly turns: number;
  /** Median of the rounds' medians. */
  readonly p50OverheadMs: number;
  /** Of the turns of all rounds together: one round has too few of them. */
  readonly p99OverheadMs: number;
  /** Median of the rounds. */
  readonly turnsPerSecond: number;
  readonly cpuMsPerTurn: Readonly<Record<MeasuredProcess, number>>;
  /** Null for a way that leaves no history. */
  readonly eventsPerTurn: number | null;
  readonly actionsPerTurn: number | null;
  readonly extraCalls: number;
  /** Share of one core that the workers of the other ways used meanwhile, in percent. */
  readonly idlePercent: number;
}

export interface HistoryPerTurn {
  readonly events: number;
  readonly actions: number;
}

export function summarize(
  way: Way,
  callers: number,
  rounds: readonly Measurement[],
  history: HistoryPerTurn | null,
): Row {
  const cpuMsPerTurn = Object.fromEntries(
    measuredProcesses.map((name) => [name, median(rounds.map(({ cpuMs, turns }) => cpuMs[name] / turns))]),
  ) as Record<MeasuredProcess, number>;
  return {
    way: way.name,
    title: way.title,
    callers,
    turns: sum(rounds.map(({ turns }) => turns)),
    p50OverheadMs: median(rounds.map(({ overheadsMs }) => median(overheadsMs))),
    p99OverheadMs: quantile(
      rounds.flatMap(({ overheadsMs }) => overheadsMs),
      0.99,
    ),
    turnsPerSecond: median(rounds.map(({ turns, elapsedMs }) => (turns * 1000) / elapsedMs)),
    cpuMsPerTurn,
    eventsPerTurn: history?.events ?? null,
    actionsPerTurn: history?.actions ?? null,
    extraCalls: sum(rounds.map(({ extraCalls }) => extraCalls)),
    idlePercent: median(rounds.map(({ idleWorkersCpuMs, elapsedMs }) => (idleWorkersCpuMs * 100) / elapsedMs)),
  };
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Between two values it takes the line from one to the other. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const position = (sorted.length - 1) * share;
  const below = sorted[Math.floor(position)] ?? NaN;
  const above = sorted[Math.ceil(position)] ?? NaN;
  return below + (above - below) * (position % 1);
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
