import { rolloutPlans } from '../../../src/domain/rollout/plans';
import { hourMs, Rollout, specWith, startedAtMs } from './given';

const nothingShown = { canarySuccesses: 900, canaryFailures: 0 };
const from = (fromHours: number) => (atHours: number) => (atHours < fromHours ? nothingShown : {});

describe('the 72-hour plan', () => {
  it('is kept to the minute if the evidence arrives in time', () => {
    const rollout = new Rollout();
    const decisions = rollout.follow(200);
    expect(rollout.reached).toEqual([
      [10, 0],
      [25, 18],
      [50, 30],
      [75, 60],
      [100, 72],
    ]);
    expect(decisions.at(-1)).toMatchObject({
      action: 'finish',
      next: { phase: 'Succeeded', endedAtMs: startedAtMs + 96 * hourMs },
    });
  });

  it.each([
    ['a little', 18.5, [18.5, 30, 60, 72]],
    ['by a step', 30, [30, 36, 60, 72]],
    ['by more, so that two steps are as short as possible', 49, [49, 55, 67, 73]],
    ['by so much that every step is', 60, [60, 66, 78, 84]],
    ['until just before the end', 71.75, [71.75, 77.75, 89.75, 95.75]],
  ])('catches up with minimum bakes if the evidence is late: %s', (_, fromHours, reachedAt) => {
    const rollout = new Rollout();
    rollout.follow(200, from(fromHours));
    const percents = [25, 50, 75, 100];
    expect(rollout.reached).toEqual([[10, 0], ...percents.map((percent, index) => [percent, reachedAt[index]])]);
    expect(rollout.state).toMatchObject({
      phase: 'Succeeded',
      endedAtMs: startedAtMs + (reachedAt[3]! + 24) * hourMs,
    });
  });

  it('measures the bake from the start of the step, not from when it was resumed', () => {
    const rollout = new Rollout();
    rollout.look(5, { canarySlowCalls: 900 });
    rollout.command('resume', 17, { reason: 'looked at it' });
    expect(rollout.state).toMatchObject({ bake: 2, bakeStartedAtMs: startedAtMs + 17 * hourMs });
    expect(rollout.look(18).action).toBe('advance');
  });

  it('is not prolonged by hours without a worker, and never takes two steps at once', () => {
    const rollout = new Rollout();
    expect(rollout.look(50).next).toMatchObject({ percent: 25 });
    rollout.follow(200);
    expect(rollout.reached).toEqual([
      [10, 0],
      [25, 50],
      [50, 56],
      [75, 68],
      [100, 74],
    ]);
  });

  it('is delayed by a freeze window no longer than the bakes take', () => {
    const freezeWindows = [{ fromMs: startedAtMs + 29 * hourMs, toMs: startedAtMs + 61 * hourMs }];
    const rollout = new Rollout(specWith({ freezeWindows }));
    rollout.follow(80);
    expect(rollout.reached).toEqual([
      [10, 0],
      [25, 18],
      [50, 61],
      [75, 73],
      [100, 79],
    ]);
  });
});

describe("the guide's plan", () => {
  it('stays at 10% for 72 hours and then rises gradually', () => {
    const rollout = new Rollout(specWith(rolloutPlans.guide));
    rollout.follow(120);
    expect(rollout.reached).toEqual([
      [10, 0],
      [25, 72],
      [50, 84],
      [75, 96],
      [100, 108],
    ]);
  });
});

describe('the end of the plan', () => {
  it.each([
    ['evidence', nothingShown, 'E 6.3 of 6.9, about 81 clean requests to go.'],
    ['sight', null, 'The evidence could not be read. No data is never success.'],
  ])('holds the rollout for lack of %s, at exactly that moment, and promotes nothing', (_, changes, told) => {
    const rollout = new Rollout();
    const decisions = rollout.follow(72, () => changes);
    expect(decisions.slice(0, -1).every(({ action }) => action === 'wait')).toBe(true);
    expect(decisions.at(-1)).toMatchObject({
      action: 'hold',
      reason: `The time of the plan is over and the evidence is not there: ${told}`,
      next: { phase: 'Held', percent: 10 },
    });
    rollout.follow(300);
    expect(rollout.reached).toEqual([[10, 0]]);
  });

  it('gives a rollout that was resumed after it all the time it needs, after one analysis', () => {
    const rollout = new Rollout();
    rollout.follow(72, () => nothingShown);
    rollout.command('resume', 80, { reason: 'traffic was low' });
    rollout.follow(100, () => nothingShown);
    expect(rollout.state).toMatchObject({ phase: 'Progressing', percent: 10 });
    expect(rollout.look(101).action).toBe('advance');
  });

  it('holds a rollout that was resumed before it', () => {
    const rollout = new Rollout();
    rollout.look(70, { canarySlowCalls: 900 });
    rollout.command('resume', 71, { reason: 'traffic was low' });
    expect(rollout.look(72, nothingShown).action).toBe('hold');
  });

  it('leaves a step that began late its bake to gather evidence', () => {
    const rollout = new Rollout();
    rollout.look(71);
    const decisions = rollout.follow(77, () => nothingShown);
    expect(decisions.map(({ action }) => action)).toEqual([...decisions.slice(1).map(() => 'wait'), 'hold']);
    expect(rollout.state.reached).toHaveLength(2);
  });

  it('does not hold a rollout that waits only for the clock', () => {
    const freezeWindows = [{ fromMs: startedAtMs + 10 * hourMs, toMs: startedAtMs + 100 * hourMs }];
    const rollout = new Rollout(specWith({ freezeWindows }));
    rollout.follow(99);
    expect(rollout.state).toMatchObject({ phase: 'Progressing', percent: 10 });
    expect(rollout.look(100).action).toBe('advance');
  });
});
