import * as fc from 'fast-check';
import { sampleLatencyMs, seededRandom } from '../../src/domain/random';

function take(count: number, next: () => number): number[] {
  return Array.from({ length: count }, next);
}

test('the same seed gives the same numbers, and another seed gives different ones', () => {
  expect(take(5, seededRandom('a'))).toEqual(take(5, seededRandom('a')));
  expect(take(5, seededRandom('a'))).not.toEqual(take(5, seededRandom('b')));
});

test('numbers are evenly distributed from 0 to below 1', () => {
  const numbers = take(20_000, seededRandom('spread'));
  expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
  const tenths = Array.from({ length: 10 }, (_, tenth) => numbers.filter((n) => Math.floor(n * 10) === tenth).length);
  for (const count of tenths) expect(Math.abs(count - 2_000)).toBeLessThan(200);
});

test('a fixed latency is always the same', () => {
  expect(sampleLatencyMs({ kind: 'fixed', ms: 25 }, 0.1, 0.9)).toBe(25);
});

test('a lognormal latency has the given mean and 95th percentile', () => {
  const random = seededRandom('latency');
  const latency = { kind: 'lognormal', meanMs: 420, p95Ms: 900 } as const;
  const samples = take(50_000, () => sampleLatencyMs(latency, random(), random())).toSorted((a, b) => a - b);
  const mean = samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
  expect(mean).toBeGreaterThan(412);
  expect(mean).toBeLessThan(428);
  expect(samples[47_500]).toBeGreaterThan(875);
  expect(samples[47_500]).toBeLessThan(925);
});

test('a lognormal latency is positive and finite, whatever the random numbers', () => {
  const below1 = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(below1, below1, fc.double({ min: 1, max: 3.8, noNaN: true }), (first, second, ratio) => {
      const sample = sampleLatencyMs({ kind: 'lognormal', meanMs: 180, p95Ms: 180 * ratio }, first, second);
      expect(Number.isFinite(sample) && sample > 0).toBe(true);
    }),
  );
});

test.each([
  [180, 100],
  [180, 900],
])('a lognormal latency with mean %i and p95 %i is refused', (meanMs, p95Ms) => {
  expect(() => sampleLatencyMs({ kind: 'lognormal', meanMs, p95Ms }, 0.5, 0.5)).toThrow(/p95 must be/);
});
