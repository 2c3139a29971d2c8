import {
  formatDistance,
  formatInterval,
  formatLatency,
  formatShare,
  formatUsd,
  formatUtcTime,
  formatWholeDuration,
} from '../../src/page/format';

/** Node's locale here is English, as is the fixed part of every text. */
describe('the format of', () => {
  test('shares never rounds a failure away', () => {
    expect([0, 0.000001, 0.5, 0.997134, 0.99999999, 1].map(formatShare)).toEqual([
      '0%',
      '<0.01%',
      '50%',
      '99.71%',
      '>99.99%',
      '100%',
    ]);
    expect(formatInterval({ low: 0.9914, high: 0.999 })).toBe('99.14%–99.9%');
  });

  test('money shows cents from a dollar on, and the price of a turn below', () => {
    expect([0, 1_234_000, -1_234_000, 999_999_999, 1_000_000_000, 1_234_567_890_000].map(formatUsd)).toEqual([
      '$0.00',
      '$0.001234',
      '-$0.001234',
      '$1.000000',
      '$1.00',
      '$1,234.57',
    ]);
  });

  test('latency changes to seconds at ten of them', () => {
    expect([0, 840, 9999, 10_000, 61_234].map(formatLatency)).toEqual([
      '0 ms',
      '840 ms',
      '9,999 ms',
      '10.0 s',
      '61.2 s',
    ]);
  });

  test('durations has two units, and days only where hours would be too many', () => {
    const hourMs = 3_600_000;
    expect([-5, 999, 61_500, 47 * hourMs, 48 * hourMs, 75 * hourMs + 5].map(formatWholeDuration)).toEqual([
      '0 s',
      '0 s',
      '1 min 1 s',
      '47 h',
      '2 days',
      '3 days 3 h',
    ]);
  });

  test('moments says which side of now they are on', () => {
    expect([4000, 400, -400, -4000].map((distanceMs) => formatDistance(1e12 + distanceMs, 1e12))).toEqual([
      'in 4 s',
      'now',
      'now',
      '4 s ago',
    ]);
    expect(formatUtcTime(1_767_570_245_000)).toBe('2026-01-04 23:44:05 UTC');
  });
});
