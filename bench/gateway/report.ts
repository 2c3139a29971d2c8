import { renderTable } from '../../src/terminal/output';
import type { MemoryUse } from '../live-with-parent';
import { sum } from '../summary';
import type { MemoryRow } from './open-streams';
import type { GatewayRow } from './summary';
import { measuredProcesses } from './way';

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
