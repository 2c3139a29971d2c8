import type { Measurement } from '../../bench/measure';
import { summarize } from '../../bench/report';

const way = { name: 'send', title: 'Bellwether', worker: null, promisesOneCall: true, open: () => fail() };

function fail(): never {
  throw new Error('A summary sends nothing.');
}

function measurement(changes: Partial<Measurement>): Measurement {
  const cpuMs = { worker: 0, server: 0, simulator: 0, caller: 0 };
  return { turns: 2, elapsedMs: 1_000, overheadsMs: [1, 1], cpuMs, idleWorkersCpuMs: 0, extraCalls: 0, ...changes };
}

test('one disturbed round changes neither the rate nor the median overhead', () => {
  const calm = measurement({ turns: 100, overheadsMs: [20, 21, 22] });
  const disturbed = measurement({ turns: 3, overheadsMs: [500, 600, 700] });
  const row = summarize(way, 1, [calm, disturbed, calm], null);
  expect(row).toMatchObject({ turns: 203, p50OverheadMs: 21, turnsPerSecond: 100 });
});

test('the 99th percentile covers all turns, including disturbed ones', () => {
  const row = summarize(
    way,
    1,
    [measurement({ overheadsMs: [20, 20] }), measurement({ overheadsMs: [700, 700] })],
    null,
  );
  expect(row.p99OverheadMs).toBeCloseTo(700);
});

test('CPU time is reported per turn and process, and extra calls are added up', () => {
  const cpuMs = { worker: 30, server: 20, simulator: 2, caller: 4 };
  const row = summarize(way, 1, [measurement({ cpuMs, extraCalls: 1 }), measurement({ cpuMs, extraCalls: 2 })], null);
  expect(row.cpuMsPerTurn).toEqual({ worker: 15, server: 10, simulator: 1, caller: 2 });
  expect(row.extraCalls).toBe(3);
});
