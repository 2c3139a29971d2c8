import { cpus, loadavg } from 'node:os';
import { quantile } from '../src/domain/quantile';
import { renderTable } from '../src/terminal/output';
import type { Reporter } from '../src/terminal/reporter';
import { type MeasuredProcess, measuredProcesses, type Measurement } from './measure';
import type { Way } from './ways';

/** One row of the result: a way with a number of callers, over all rounds. */
export interface Row {
  readonly way: string;
  readonly title: string;
  readonly callers: number;
  /** Measured turns in all rounds, without the warm-up. */
  readonly turns: number;
  /** Median of the rounds' medians. */
  readonly p50OverheadMs: number;
  /** Over the turns of all rounds: a single round has too few of them. */
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
    p99OverheadMs: p99(rounds.flatMap(({ overheadsMs }) => overheadsMs)),
    turnsPerSecond: median(rounds.map(({ turns, elapsedMs }) => (turns * 1000) / elapsedMs)),
    cpuMsPerTurn,
    eventsPerTurn: history?.events ?? null,
    actionsPerTurn: history?.actions ?? null,
    extraCalls: sum(rounds.map(({ extraCalls }) => extraCalls)),
    idlePercent: median(rounds.map(({ idleWorkersCpuMs, elapsedMs }) => (idleWorkersCpuMs * 100) / elapsedMs)),
  };
}

export function median(values: readonly number[]): number {
  return quantile(values, 50) ?? NaN;
}

export function p99(values: readonly number[]): number {
  return quantile(values, 99) ?? NaN;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Above this share of a core, the processes that should be idle are not, and the other figures are doubtful. */
const idlePercentLimit = 2;

export interface Comparison {
  readonly what: string;
  readonly value: number;
  readonly aim: string;
  readonly reached: boolean;
}

/** Compares Bellwether's figures with their goals; omits those whose rows were not measured. */
export function compare(rows: readonly Row[]): Comparison[] {
  const find = (way: string, callers: number): Row | undefined =>
    rows.find((row) => row.way === way && row.callers === callers);
  const comparisons: Comparison[] = [];
  const add = (what: string, value: number, limit: number, sense: 'at most' | 'at least'): void => {
    const reached = sense === 'at most' ? value <= limit : value >= limit;
    comparisons.push({ what, value, aim: `${sense} ${limit}`, reached });
  };
  for (const row of rows) {
    if (row.way !== 'send' || row.eventsPerTurn === null || row.actionsPerTurn === null) continue;
    add(`events per turn, ${row.callers} callers`, row.eventsPerTurn, 9, 'at most');
    add(`billable actions per turn, ${row.callers} callers`, row.actionsPerTurn, 2.5, 'at most');
  }
  const [one, oneTextbook] = [find('send', 1), find('textbook', 1)];
  if (one && oneTextbook)
    add('p50 overhead, 1 caller, to (b)', one.p50OverheadMs / oneTextbook.p50OverheadMs, 0.6, 'at most');
  const [many, manyTextbook, manyPlain] = [find('send', 64), find('textbook', 64), find('plain', 64)];
  if (many && manyTextbook) {
    add('turns/s, 64 callers, to (b)', many.turnsPerSecond / manyTextbook.turnsPerSecond, 1.6, 'at least');
  }
  if (many && manyPlain)
    add('turns/s, 64 callers, to (c)', many.turnsPerSecond / manyPlain.turnsPerSecond, 5, 'at least');
  return comparisons;
}

/** Call it before measuring: the load then comes from other programs, and shows whether the machine was busy. */
export function describeMachine(): string {
  const [processor] = cpus();
  const load = loadavg()[0]?.toFixed(1) ?? 'unknown';
  return `${cpus().length} cores (${processor?.model ?? 'unknown'}), Node ${process.versions.node}, load ${load} before`;
}

export function renderRows(rows: readonly Row[]): string {
  const right = { align: 'right' } as const;
  const columns = [
    { title: 'way' },
    ...['callers', 'turns', 'p50 ms', 'p99 ms', 'turns/s', 'events', 'actions', 'CPU ms'].map((title) => ({
      title,
      ...right,
    })),
    ...measuredProcesses.map((title) => ({ title, ...right })),
    { title: 'extra calls', ...right },
  ];
  return renderTable(columns, rows.map(cellsOf));
}

function cellsOf(row: Row): string[] {
  const cpu = measuredProcesses.map((name) => row.cpuMsPerTurn[name]);
  return [
    row.title,
    String(row.callers),
    String(row.turns),
    ...[row.p50OverheadMs, row.p99OverheadMs, row.turnsPerSecond].map((value) => value.toFixed(1)),
    ...[row.eventsPerTurn, row.actionsPerTurn].map((value) => value?.toFixed(2) ?? '–'),
    ...[sum(cpu), ...cpu].map((value) => value.toFixed(1)),
    String(row.extraCalls),
  ];
}

export function renderComparisons(comparisons: readonly Comparison[]): string {
  const columns = [
    { title: 'Bellwether, conversation' },
    { title: 'measured', align: 'right' },
    { title: 'aim' },
    { title: '' },
  ] as const;
  return renderTable(
    columns,
    comparisons.map(({ what, value, aim, reached }) => [what, value.toFixed(2), aim, reached ? 'reached' : 'missed']),
  );
}

interface JudgedRow {
  readonly way: string;
  readonly title: string;
  readonly callers: number;
  readonly turns: number;
  readonly extraCalls: number;
  readonly idlePercent: number;
}

/** Problems that must not be overlooked: `broken` ones break a promise, `doubtful` ones put the figures in doubt. */
export function findProblems(rows: readonly JudgedRow[], oneCallWays: ReadonlySet<string>) {
  const broken = rows
    .filter(({ way, extraCalls }) => oneCallWays.has(way) && extraCalls > 0)
    .map(
      ({ title, callers, turns, extraCalls }) =>
        `${title}, ${callers} callers: the provider got ${extraCalls} more calls than the ${turns} turns.`,
    );
  const doubtful = rows
    .filter(({ idlePercent }) => idlePercent > idlePercentLimit)
    .map(
      ({ title, callers, idlePercent }) =>
        `${title}, ${callers} callers: idle processes used ${idlePercent.toFixed(1)} % of a core.`,
    );
  return { broken, doubtful };
}

/** A broken promise also fails the benchmark. */
export function tellProblems({ broken, doubtful }: ReturnType<typeof findProblems>, report: Reporter): void {
  for (const problem of [...broken, ...doubtful]) report.note(problem);
  if (broken.length > 0) process.exitCode = 1;
}
