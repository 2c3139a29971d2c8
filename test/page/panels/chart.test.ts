import { type Chart, nearestIndex, timesOf, valueAt } from '../../../src/page/panels/chart';

const points = [
  { atMs: 10, value: 1 },
  { atMs: 30, value: null },
  { atMs: 20, value: 2 },
].toSorted((one, other) => one.atMs - other.atMs);
const series = { name: 'a', look: 'canary' as const, points };
const chart: Chart = {
  label: '',
  series: [series],
  marks: [20, 25].map((atMs) => ({ atMs, title: '', detail: '' })),
  format: String,
};

test('the cursor stands at each time of a point or mark once, in order', () => {
  expect(timesOf(chart)).toEqual([10, 20, 25, 30]);
});

test('a mark between two points has the value of the one before', () => {
  expect(valueAt(series, 25)).toBe(2);
});

test('before the first point, and where it is unknown, there is no value', () => {
  expect(valueAt(series, 9)).toBeNull();
  expect(valueAt(series, 30)).toBeNull();
});

test('the nearest time is found on both sides', () => {
  expect([0, 12, 18, 1000].map((atMs) => nearestIndex([10, 20, 25, 30], atMs))).toEqual([0, 0, 1, 3]);
});
