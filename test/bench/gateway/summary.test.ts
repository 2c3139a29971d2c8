import type { GatewayMeasurement } from '../../../bench/gateway/measure';
import { summarizeGateway } from '../../../bench/gateway/report';
import type { GatewayWay } from '../../../bench/gateway/way';

const way: GatewayWay = {
  name: 'proxy',
  title: 'Proxy',
  endpoint: { baseUrl: '', apiKey: '', models: { streamed: '', plain: '', long: '' } },
  pids: { front: 1, simulator: 2, caller: 3 },
  programs: {},
};

function measurement(changes: Partial<GatewayMeasurement>): GatewayMeasurement {
  return {
    turns: 2,
    elapsedMs: 1_000,
    firstTokenOverheadsMs: [1, 2, 3],
    wholeOverheadsMs: [2, 3, 4],
    cpuMs: { front: 8, worker: 0, server: 0, redis: 0, simulator: 4, caller: 2 },
    idleCpuMs: 0,
    extraCalls: 0,
    ...changes,
  };
}

test('first token and whole answer each have the median of the rounds’ medians and the 99th percentile of all turns', () => {
  const disturbed = measurement({ firstTokenOverheadsMs: [500, 700], wholeOverheadsMs: [800, 900] });
  const row = summarizeGateway(way, 'streamed', 1, [measurement({}), disturbed, measurement({})]);
  expect(row.firstToken?.p50Ms).toBe(2);
  expect(row.whole.p50Ms).toBe(3);
  expect(row.firstToken?.p99Ms).toBeGreaterThan(600);
  expect(row.whole.p99Ms).toBeGreaterThan(850);
});

test('a plain answer has no first token', () => {
  const row = summarizeGateway(way, 'plain', 1, [measurement({ firstTokenOverheadsMs: [] })]);
  expect(row.firstToken).toBeNull();
});

test('CPU time is reported per turn for the processes of the design', () => {
  const { cpuMsPerTurn } = summarizeGateway(way, 'streamed', 1, [measurement({})]);
  expect(cpuMsPerTurn).toEqual({ front: 4, worker: null, server: null, redis: null, simulator: 2, caller: 1 });
});

test('turns per second are the median of the rounds, and extra calls are added up', () => {
  const rounds = [measurement({ turns: 10 }), measurement({ turns: 1, extraCalls: 1 }), measurement({ turns: 12 })];
  expect(summarizeGateway(way, 'streamed', 64, rounds)).toMatchObject({
    turns: 23,
    turnsPerSecond: 10,
    extraCalls: 1,
  });
});
