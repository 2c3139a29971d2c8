import { assert, double, integer, property } from 'fast-check';
import { pathOf, rangeOf, scaleOf, ticksOf, timeTicks } from '../../../src/page/panels/scales';

const hourMs = 60 * 60 * 1000;

describe('the range of an axis', () => {
  test('begins at 0 and holds all values', () => {
    expect(rangeOf([40, 100], null)).toEqual({ low: 0, high: 105 });
    expect(rangeOf([], null)).toEqual({ low: 0, high: 1 });
  });

  test('keeps the threshold readable beside values that are far away', () => {
    expect(rangeOf([-400, 900], 7)).toEqual({ low: -7, high: 21 });
  });

  test('shows the threshold above values that are far below', () => {
    const { low, high } = rangeOf([0.1, 0.2], 7);
    expect(low).toBe(0);
    expect(high).toBeGreaterThan(7);
  });

  test('draws what is beyond it at its ends', () => {
    const scale = scaleOf(0, 10, 100, 200);
    expect([-5, 0, 5, 10, 50].map(scale)).toEqual([100, 100, 150, 200, 200]);
  });

  test('has a place for a single value', () => {
    expect(scaleOf(3, 3, 100, 200)(3)).toBe(100);
  });
});

describe('ticks', () => {
  test.each([
    [{ low: 0, high: 8.6 }, [0, 2, 4, 6, 8]],
    [{ low: -7, high: 21 }, [0, 10, 20]],
    [{ low: 0, high: 0.0009 }, [0, 0.0002, 0.0004, 0.0006, 0.0008]],
  ])('of %j are round', (range, expected) => {
    expect(ticksOf(range, 4).map((tick) => Number(tick.toPrecision(6)))).toEqual(expected);
  });

  test('are few and lie in the range, whatever it is beside 0', () => {
    const value = double({ min: -1e15, max: 1e15, noNaN: true });
    assert(
      property(value, value, (one, other) => {
        const [low, high] = [Math.min(0, one, other), Math.max(0, one, other)];
        const ticks = ticksOf({ low, high }, 3);
        const slack = (high - low) * 1e-9;
        return ticks.length <= 6 && ticks.every((tick) => tick >= low - slack && tick <= high + slack);
      }),
    );
  });

  test('of time are full hours of the clock, then days', () => {
    const fromMs = Date.UTC(2026, 10, 30, 10, 20);
    const hours = timeTicks(fromMs, fromMs + 5 * hourMs, 6);
    expect(hours).toHaveLength(5);
    expect(hours.map((atMs) => new Date(atMs).getMinutes())).toEqual([0, 0, 0, 0, 0]);
    const days = timeTicks(fromMs, fromMs + 5 * 24 * hourMs, 6);
    expect(days.every((atMs) => new Date(atMs).getHours() === 0)).toBe(true);
  });

  test('of time are few, be it a minute or a decade', () => {
    const length = integer({ min: 1, max: 20 * 366 * 24 * hourMs });
    assert(property(length, (lengthMs) => timeTicks(0, lengthMs, 5).length <= 6));
  });
});

describe('a path', () => {
  const same = (value: number): number => value;
  const at = (atMs: number, value: number | null) => ({ atMs, value });

  test('joins points', () => {
    expect(pathOf([at(0, 1), at(1, 2)], same, same, Infinity)).toBe('M0.0 1.0h0L1.0 2.0');
  });

  test('is broken where the value is unknown, or where too much time is between', () => {
    const points = [at(0, 1), at(1, null), at(2, 2), at(9, 3)];
    expect(pathOf(points, same, same, 5)).toBe('M0.0 1.0h0M2.0 2.0h0M9.0 3.0h0');
  });

  test('of nothing is empty', () => {
    expect(pathOf([], same, same, 1)).toBe('');
  });
});
