import { renderTable } from '../../src/terminal/output';
import { median, p99, sum } from '../report';
import type { MemoryUse } from '../processes';
import type { GatewayMeasurement, MemoryRow } from './measure';
import { type AnswerDelivery, type GatewayWay, type MeasuredProcess, measuredProcesses } from './way';

interface Overhead {
  /** Median of the rounds' medians. */
  readonly p50Ms: number;
  /** Over the turns of all rounds: a single round has too few of them. */
  readonly p99Ms: number;
}

/** One row of the result: one way, kind of answer and number of callers, over all rounds. */
export interface GatewayRow {
  readonly way: string;
  readonly title: string;
  readonly delivery: AnswerDelivery;
  readonly callers: number;
  /** Measured turns in all rounds, without the warm-up. */
  readonly turns: number;
  /** Null for plain answers. */
  readonly firstToken: Overhead | null;
  readonly whole: Overhead;
  /** Median of the rounds. For streamed answers: streams per second. */
  readonly turnsPerSecond: number;
  /** Null where the way has no such process. */
  readonly cpuMsPerTurn: Readonly<Record<MeasuredProcess, number | null>>;
  readonly extraCalls: number;
  /** Share of one core that the processes of the other ways used meanwhile, in percent. */
  readonly idlePercent: number;
}

export function summarizeGateway(
  way: GatewayWay,
  delivery: AnswerDelivery,
  callers: number,
  rounds: readonly GatewayMeasurement[],
): GatewayRow {
  const cpuMsPerTurn = Object.fromEntries(
    measuredProcesses.map((name) => [
      name,
      way.pids[name] === undefined ? null : median(rounds.map(({ cpuMs, turns }) => cpuMs[name] / turns)),
    ]),
  ) as Record<MeasuredProcess, number | null>;
  return {
    way: way.name,
    title: way.title,
    delivery,
    callers,
    turns: sum(rounds.map(({ turns }) => turns)),
    firstToken: delivery === 'plain' ? null : overheadOf(rounds.map((round) => round.firstTokenOverheadsMs)),
    whole: overheadOf(rounds.map((round) => round.wholeOverheadsMs)),
    turnsPerSecond: median(rounds.map(({ turns, elapsedMs }) => (turns * 1000) / elapsedMs)),
    cpuMsPerTurn,
    extraCalls: sum(rounds.map(({ extraCalls }) => extraCalls)),
    idlePercent: median(rounds.map(({ idleCpuMs, elapsedMs }) => (idleCpuMs * 100) / elapsedMs)),
  };
}

function overheadOf(rounds: readonly (readonly number[])[]): Overhead {
  return { p50Ms: median(rounds.map(median)), p99Ms: p99(rounds.flat()) };
}

const right = { align: 'right' } as const;
const none = '–';

export function renderGatewayRows(rows: readonly GatewayRow[]): string {
  const titles = [
    'callers',
    'turns',
    'first p50',
    'p99',
    'whole p50',
    'p99',
    'turns/s',
    'CPU ms',
    ...measuredProcesses,
  ];
  const columns = [
    { title: 'way' },
    { title: 'answer' },
    ...[...titles, 'extra calls'].map((title) => ({ title, ...right })),
  ];
  return renderTable(columns, rows.map(cellsOf));
}

function cellsOf(row: GatewayRow): string[] {
  const cpu = measuredProcesses.map((name) => row.cpuMsPerTurn[name]);
  return [
    row.title,
    row.delivery,
    String(row.callers),
    String(row.turns),
    ...[row.firstToken?.p50Ms, row.firstToken?.p99Ms, row.whole.p50Ms, row.whole.p99Ms, row.turnsPerSecond].map(
      (value) => value?.toFixed(1) ?? none,
    ),
    ...[sum(cpu.map((value) => value ?? 0)), ...cpu].map((value) => value?.toFixed(1) ?? none),
    String(row.extraCalls),
  ];
}

export function renderMemoryRows(rows: readonly MemoryRow[]): string {
  const titles = ['open streams', 'RSS MB at rest', 'with streams', 'KB a stream', 'heap MB at rest', 'with streams'];
  const columns = [
    { title: 'way' },
    { title: 'program' },
    ...[...titles, 'KB a stream'].map((title) => ({ title, ...right })),
  ];
  return renderTable(
    columns,
    rows.map((row) => [
      row.title,
      row.program,
      String(row.openStreams),
      ...memoryCells(row, 'rssBytes'),
      ...memoryCells(row, 'heapBytes'),
    ]),
  );
}

function memoryCells({ atRest, withStreams, openStreams }: MemoryRow, kind: keyof MemoryUse): string[] {
  const [before, after] = [atRest[kind], withStreams[kind]];
  return [
    (before / 1e6).toFixed(1),
    (after / 1e6).toFixed(1),
    openStreams === 0 ? none : ((after - before) / 1e3 / openStreams).toFixed(1),
  ];
}
