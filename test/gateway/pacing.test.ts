import { Pacing } from '../../src/gateway/pacing';

test('what comes at a key’s pace, or slower, begins at once', () => {
  const pacing = new Pacing();
  expect([0, 100, 500].map((nowMs) => pacing.waitMs('a', 100, nowMs))).toEqual([0, 0, 0]);
});

test('what comes faster waits for all of its key before it, and for none of another', () => {
  const pacing = new Pacing();
  expect([0, 0, 10].map((nowMs) => pacing.waitMs('a', 100, nowMs))).toEqual([0, 100, 190]);
  expect(pacing.waitMs('b', 100, 10)).toBe(0);
  expect(pacing.waitMs('a', 100, 1_000)).toBe(0);
});

test('what would have to wait for over a minute is refused, and takes no place', () => {
  const pacing = new Pacing();
  expect(pacing.waitMs('key', 61_000, 0)).toBe(0);
  expect(pacing.waitMs('key', 1_000, 0)).toBeNull();
  expect(pacing.waitMs('key', 1_000, 1_000)).toBe(60_000);
});
