import { compare, findProblems, renderRows } from '../../bench/report';
import type { Row } from '../../bench/report';

const row = (changes: Partial<Row>): Row => ({
  way: 'send',
  title: 'Bellwether',
  callers: 1,
  turns: 100,
  p50OverheadMs: 20,
  p99OverheadMs: 40,
  turnsPerSecond: 10,
  cpuMsPerTurn: { worker: 10, server: 5, simulator: 1, caller: 2 },
  eventsPerTurn: 6.15,
  actionsPerTurn: 2.15,
  extraCalls: 0,
  idlePercent: 0,
  ...changes,
});

test('the table has one line per row, with the sum of the CPU times', () => {
  const lines = renderRows([row({}), row({ callers: 64 })]).split('\n');
  expect(lines.filter((line) => line.includes('Bellwether'))).toHaveLength(2);
  expect(lines.join('\n')).toContain('18.0');
});

test('aims are compared only if their rows were measured', () => {
  const textbook = row({ way: 'textbook', p50OverheadMs: 40 });
  const names = (rows: Row[]) => compare(rows).map(({ what }) => what);
  expect(names([row({})])).toEqual(['events per turn, 1 callers', 'billable actions per turn, 1 callers']);
  expect(compare([row({}), textbook]).find(({ what }) => what.includes('p50'))).toMatchObject({
    value: 0.5,
    reached: true,
  });
  expect(names([row({}), textbook, row({ way: 'plain' })]).some((what) => what.includes('64'))).toBe(false);
});

test('a missed aim is reported as missed', () => {
  const rows = [row({ callers: 64, turnsPerSecond: 50 }), row({ way: 'textbook', callers: 64, turnsPerSecond: 40 })];
  expect(compare(rows).at(-1)).toMatchObject({ value: 1.25, aim: 'at least 1.6', reached: false });
});

test('a second call of a turn breaks a promise only for designs that make this promise', () => {
  const rows = [row({ extraCalls: 2 }), row({ way: 'textbook', extraCalls: 3 })];
  const { broken } = findProblems(rows, new Set(['send']));
  expect(broken).toEqual([expect.stringContaining('2 more calls than the 100 turns')]);
});

test('idle workers that use CPU put the figures in doubt', () => {
  expect(findProblems([row({ idlePercent: 7 })], new Set()).doubtful).toHaveLength(1);
});
