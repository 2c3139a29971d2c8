import { nearestRank, quantile } from '../../src/domain/quantile';

test('a quantile is the smallest value that this share of the values does not exceed', () => {
  const values = [4, 1, 3, 2];
  expect(quantile(values, 50)).toBe(2);
  expect(quantile(values, 51)).toBe(3);
  expect(quantile(values, 100)).toBe(4);
  expect(values).toEqual([4, 1, 3, 2]);
});

test('an empty list has none', () => {
  expect(quantile([], 95)).toBeUndefined();
});

test('a rank that is a whole number is not rounded up', () => {
  for (let count = 20; count <= 10_000; count += 20) expect(nearestRank(count, 95)).toBe((count / 20) * 19);
});
