import * as fc from 'fast-check';
import { evidenceDueAtMs, formatDuration, nextAnalysisAtMs, stepDueAtMs } from '../../../src/domain/rollout/clock';
import { hourMs, Rollout, specWith, startedAtMs } from './given';

const minuteMs = 60 * 1000;
const at = (hours: number): number => startedAtMs + hours * hourMs;

describe('the next analysis', () => {
  const { spec, state } = new Rollout();

  it.each([
    ['at the start', 0, 5 / 60],
    ['within an interval', 1.51, 1 + 35 / 60],
    ['just before an interval is over', 1 - 1 / hourMs, 1],
    ['at the end of an interval', 1, 1 + 5 / 60],
    ['after hours away', 9.01, 9 + 5 / 60],
  ])('is at the next full interval since the start: %s', (_, nowHours, nextHours) => {
    expect(nextAnalysisAtMs(spec, state, at(nowHours))).toBe(Math.round(at(nextHours)));
  });

  it('is at the end of the step or of the plan if that comes first', () => {
    const late = new Rollout(specWith({ intervalMs: 7 * hourMs }));
    expect(late.follow(30).map(({ next }) => next.percent)).toEqual([10, 10, 25, 25, 25, 50]);
    expect(late.reached).toEqual([
      [10, 0],
      [25, 18],
      [50, 30],
    ]);
    const unproven = new Rollout(specWith({ intervalMs: 50 * hourMs }));
    const unprovenLooks = unproven.follow(100, () => ({ canarySuccesses: 0 }));
    expect(unprovenLooks.map(({ action }) => action)).toEqual(['wait', 'wait', 'hold', 'wait']);
    expect(nextAnalysisAtMs(unproven.spec, unproven.state, at(50))).toBe(at(72));
  });

  it('is always in the future, aligned, and at most one interval away', () => {
    const minutes = fc.integer({ min: 1, max: 20 * 24 * 60 });
    fc.assert(
      fc.property(minutes, minutes, fc.nat(4), fc.nat(400 * hourMs), (interval, stepStarted, step, nowMs) => {
        const intervalMs = interval * minuteMs;
        const spaced = specWith({ intervalMs });
        const now = startedAtMs + nowMs;
        const late = { ...state, step, stepStartedAtMs: startedAtMs + stepStarted * minuteMs };
        const next = nextAnalysisAtMs(spaced, late, now);
        expect(next).toBeGreaterThan(now);
        expect(next).toBeLessThanOrEqual(now + intervalMs);
        const ends = [stepDueAtMs(spaced, late), evidenceDueAtMs(spaced, late)];
        expect((next - startedAtMs) % intervalMs === 0 || ends.includes(next)).toBe(true);
        for (const endAtMs of ends) expect(endAtMs <= now || endAtMs >= next).toBe(true);
      }),
    );
  });
});

describe('the end of a step', () => {
  const { spec, state } = new Rollout();

  it.each([
    ['the plan’s in a step that began in time', 1, 18, 30],
    ['later for one that began late, by its bake', 1, 27, 33],
    ['that of the warm time at 100%', 4, 72, 96],
  ])('is %s', (_, step, startedHours, dueHours) => {
    expect(stepDueAtMs(spec, { ...state, step, stepStartedAtMs: at(startedHours) })).toBe(at(dueHours));
  });
});

describe('a duration', () => {
  it.each([
    [0, '0 s'],
    [-5, '0 s'],
    [0.2, '1 ms'],
    [999, '999 ms'],
    [1000, '1 s'],
    [59_499, '59 s'],
    [59_500, '1 min'],
    [3_599_500, '1 h'],
    [5 * hourMs + 20 * minuteMs + 9000, '5 h 20 min'],
    [hourMs + 5000, '1 h'],
    [72 * hourMs, '72 h'],
  ])('of %d ms is %s', (ms, text) => expect(formatDuration(ms)).toBe(text));
});
