import type { MemoryRow } from '../../../bench/gateway/measure';
import { renderGatewayRows, renderMemoryRows } from '../../../bench/gateway/report';
import type { GatewayRow } from '../../../bench/gateway/report';

const row: GatewayRow = {
  way: 'proxy',
  title: 'Proxy',
  delivery: 'streamed',
  callers: 64,
  turns: 100,
  firstToken: { p50Ms: 1.25, p99Ms: 9 },
  whole: { p50Ms: 2.5, p99Ms: 11 },
  turnsPerSecond: 120,
  cpuMsPerTurn: { front: 2, worker: null, server: null, redis: null, simulator: 1, caller: 0.5 },
  extraCalls: 0,
  idlePercent: 0,
};

function cells(table: string, title: string): string[] {
  const line = table.split('\n').find((each) => each.startsWith(title)) ?? '';
  return line.slice(title.length).trim().split(/\s+/);
}

test('a row shows both overheads, the sum of the CPU times, and a dash for processes that do not exist', () => {
  expect(cells(renderGatewayRows([row]), 'Proxy')).toEqual([
    'streamed',
    '64',
    '100',
    '1.3',
    '9.0',
    '2.5',
    '11.0',
    '120.0',
    '3.5',
    '2.0',
    '–',
    '–',
    '–',
    '1.0',
    '0.5',
    '0',
  ]);
});

test('memory is reported per open stream, even if none is open', () => {
  const memory: MemoryRow = {
    way: 'proxy',
    title: 'Proxy',
    program: 'proxy',
    openStreams: 1_000,
    atRest: { rssBytes: 70e6, heapBytes: 16e6 },
    withStreams: { rssBytes: 95e6, heapBytes: 26e6 },
  };
  expect(cells(renderMemoryRows([memory]), 'Proxy')).toEqual([
    'proxy',
    '1000',
    '70.0',
    '95.0',
    '25.0',
    '16.0',
    '26.0',
    '10.0',
  ]);
  expect(cells(renderMemoryRows([{ ...memory, openStreams: 0 }]), 'Proxy')).toContain('–');
});
