import { TimeScale } from '../../src/page/time-scale';

const hourMs = 3_600_000;
const start = new Date(2026, 2, 27, 10, 7).getTime();

describe('a time scale', () => {
  test('lays times out along the width, and keeps inside what lies beyond', () => {
    const scale = new TimeScale(start, start + 10 * hourMs);
    expect(scale.x(start + 5 * hourMs)).toBe('50%');
    expect(scale.x(start - hourMs)).toBe('0%');
    expect(scale.span(start + 7.5 * hourMs, start + 12 * hourMs)).toEqual({ x: '75%', width: '25%' });
    expect(scale.isVisible(start - 2 * hourMs, start)).toBe(false);
  });

  test.each([0.05, 1, 7, 72, 24 * 9, 24 * 90, 24 * 400])('of %d hours has a few ticks at round times', (hours) => {
    const scale = new TimeScale(start, start + hours * hourMs);
    const ticks = scale.ticks();
    expect(ticks.length).toBeGreaterThanOrEqual(2);
    expect(ticks.length).toBeLessThanOrEqual(8);
    const distances = ticks.slice(1).map(({ atMs }, index) => atMs - (ticks[index]?.atMs ?? 0));
    expect(Math.max(...distances) - Math.min(...distances)).toBeLessThanOrEqual(hourMs);
    if (hours >= 1 && hours < 24 * 200) expect(ticks.every(({ atMs }) => new Date(atMs).getSeconds() === 0)).toBe(true);
  });
});
