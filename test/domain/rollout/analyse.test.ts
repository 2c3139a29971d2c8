import type { Evidence } from '../../../src/contract/rollout';
import { arm, hourMs, inPhase, Rollout, specWith, startedAtMs } from './given';

const minuteMs = 60 * 1000;
const baseline = (requests: number, failures: number) => arm(requests, failures, { users: 900 });

/** 90 %: below the minimum of 99 %, and worse than a baseline at 99 %, but not than one at 85 %. */
const failing = { canary: arm(1000, 100, { users: 100 }) };
const goodBaseline = { baseline: baseline(9000, 90) };
/** 98.8 % against a baseline without a failure: worse, yet no breach. */
const worseOnly = { canary: arm(1000, 12, { users: 100 }), baseline: baseline(9000, 0) };
/** 98.2 % so far, and only 900 requests in all: nothing is shown. */
const undecided = { canary: arm(900, 8, { users: 100 }), canarySuccesses: 892, canaryFailures: 8 };

const old = (ageMs: number, atHours: number): Partial<Evidence> => ({
  newestCanaryAtMs: startedAtMs + atHours * hourMs - ageMs,
});

describe('an analysis after both step and bake', () => {
  it('advances by one step if E is reached', () => {
    const rollout = new Rollout();
    const { action, reason, missing, next } = rollout.look(18);
    expect({ action, missing }).toEqual({ action: 'advance', missing: [] });
    expect(reason).toBe(
      'holysheep has the evidence and the bake: from 10% to 25%. E 12.9 of 6.9; holysheep 99.9% of 1000, legacy 85% of 9000.',
    );
    expect(next).toMatchObject({ phase: 'Progressing', percent: 25, step: 1, bake: 2, sequence: 2 });
  });

  it.each([
    ['rolls back on a breach that is worse than the baseline', { ...failing, ...goodBaseline }, 'roll-back', 0],
    ['holds on a breach while the baseline does no better', failing, 'hold', 10],
    ['holds on a breach while nothing is known of the baseline', { ...failing, baseline: baseline(0, 0) }, 'hold', 10],
    ['waits when the canary is worse without a breach, though E is reached', worseOnly, 'wait', 10],
    ['waits when nothing is shown', undecided, 'wait', 10],
    [
      'waits when nothing is shown but that the baseline is worse',
      { ...undecided, baseline: baseline(9000, 8000) },
      'wait',
      10,
    ],
  ] as const)('%s', (_, changes, action, percent) => {
    expect(new Rollout().look(18, changes)).toMatchObject({ action, next: { percent } });
  });

  it('gives the figures for which it rolled back', () => {
    const { reason, next } = new Rollout().look(5, { ...failing, ...goodBaseline });
    expect(reason).toBe(
      'holysheep is below 99%: holysheep 90% of 1000, legacy 99% of 9000 (D 60.2 of 6.9). ' +
        'holysheep fails more often than legacy: holysheep 90% of 1000, legacy 99% of 9000 (51.2 of 6.9).',
    );
    expect(next).toMatchObject({ phase: 'RolledBack', percent: 0, bake: 2, endedAtMs: startedAtMs + 5 * hourMs });
    expect(next.reached.at(-1)).toEqual({ percent: 0, startedAtMs: startedAtMs + 5 * hourMs, because: reason });
  });

  it.each([
    ['users are not split as told', { canary: arm(1000, 1, { users: 300 }) }, '300 of 1200 users are on holysheep'],
    ['it is slower', { canarySlowCalls: 200 }, "200 of 1000 calls took more than 110% of legacy's p95 of 400 ms"],
    [
      'it costs more than 110% of the baseline',
      { canary: arm(1000, 0, { users: 100, costNanoUsd: 12_000_000 }) },
      'holysheep costs $0.000012 per successful turn, the limit is $0.000012',
    ],
  ])('holds if %s', (_, changes, told) => {
    const decision = new Rollout().look(18, changes);
    expect(decision).toMatchObject({ action: 'hold', next: { phase: 'Held', percent: 10, bake: 1 } });
    expect(decision.reason).toContain(told);
    expect(decision.next.message).toBe(decision.reason);
  });
});

describe('what is missing for the next step', () => {
  it.each([
    ['E', { canarySuccesses: 900, canaryFailures: 0 }, 18, ['E 6.3 of 6.9, about 81 clean requests to go.']],
    [
      'requests in the step',
      { canary: arm(299, 0, { users: 100 }) },
      18,
      ['299 of 300 requests of holysheep in this step.'],
    ],
    ['time', {}, 17.5, ['The step lasts 30 min more.']],
    [
      'all three',
      { canary: arm(299, 0, { users: 100 }), canarySuccesses: 299, canaryFailures: 0 },
      12,
      [
        'E 2.1 of 6.9, about 682 clean requests to go.',
        '299 of 300 requests of holysheep in this step.',
        'The step lasts 6 h more.',
      ],
    ],
    [
      'being no worse than the baseline',
      worseOnly,
      18,
      ['holysheep fails more often than legacy: holysheep 98.8% of 1000, legacy 100% of 9000 (7.2 of 6.9).'],
    ],
  ])('is %s', (_, changes, atHours, missing) => {
    const decision = new Rollout().look(atHours, changes);
    expect(decision).toMatchObject({ action: 'wait', missing, reason: missing.join(' ') });
    expect(decision.next).toMatchObject({ phase: 'Progressing', message: missing.join(' '), percent: 10, bake: 1 });
  });

  it('is the end of a freeze window, until exactly that moment', () => {
    const window = { fromMs: startedAtMs + 18 * hourMs, toMs: startedAtMs + 40 * hourMs };
    const rollout = new Rollout(specWith({ freezeWindows: [window] }));
    expect(rollout.look(18).missing).toEqual(['A freeze window ends in 22 h.']);
    expect(rollout.look(40 - 1 / 3600).missing).toEqual(['A freeze window ends in 1 s.']);
    expect(rollout.look(40).action).toBe('advance');
  });

  it('is nothing just before a freeze window begins', () => {
    const window = { fromMs: startedAtMs + 18 * hourMs + 1, toMs: startedAtMs + 40 * hourMs };
    expect(new Rollout(specWith({ freezeWindows: [window] })).look(18).action).toBe('advance');
  });

  it('does not keep a freeze window from rolling back', () => {
    const window = { fromMs: startedAtMs, toMs: startedAtMs + 40 * hourMs };
    const rollout = new Rollout(specWith({ freezeWindows: [window] }));
    expect(rollout.look(1, { ...failing, ...goodBaseline }).action).toBe('roll-back');
  });
});

describe('unreadable evidence', () => {
  it.each([
    ['it cannot be read', null, /could not be read/],
    ['it is of another bake', { bake: 7 }, /could not be read/],
    ['no canary request has ended', { newestCanaryAtMs: null }, /No request of holysheep has ended/],
    ['the newest request is too old', old(15 * minuteMs + 1, 18), /ended 15 min ago; older than 15 min is no data/],
  ])('never advances: %s', (_, changes, told) => {
    const decision = new Rollout().look(18, changes);
    expect(decision).toMatchObject({ action: 'wait', next: { phase: 'Progressing', percent: 10 } });
    expect(decision.reason).toMatch(told);
    expect(decision.missing).toEqual([decision.reason]);
  });

  it('counts as fresh up to the limit of its age', () => {
    expect(new Rollout().look(18, old(15 * minuteMs, 18)).action).toBe('advance');
  });

  it.each([{ ...failing, ...goodBaseline }, failing, { canarySlowCalls: 900 }])(
    'does nothing without news either',
    (changes) => {
      expect(new Rollout().look(18, { ...changes, ...old(hourMs, 18) }).action).toBe('wait');
    },
  );

  it('delays the rollout, which continues when the evidence can be read again', () => {
    const rollout = new Rollout();
    rollout.follow(20, (atHours) => (atHours < 18 || atHours > 19 ? {} : null));
    expect(rollout.reached).toEqual([
      [10, 0],
      [25, 19 + 5 / 60],
    ]);
  });
});

describe('a paused rollout', () => {
  it('does not advance even on the best evidence, and says what it waits for', () => {
    const decision = inPhase('Paused').look(18);
    expect(decision).toMatchObject({ action: 'wait', missing: ['An operator must resume.'] });
    expect(decision.next).toMatchObject({ phase: 'Paused', percent: 10, message: 'bob paused it.' });
  });

  it('is rolled back on a breach if the canary is worse', () => {
    expect(inPhase('Paused').look(18, { ...failing, ...goodBaseline }).next.phase).toBe('RolledBack');
  });

  it.each([failing, { canarySlowCalls: 900 }])('is held on a finding', (changes) => {
    expect(inPhase('Paused').look(18, changes).next.phase).toBe('Held');
  });

  it.each([null, {}, undecided])('stays paused beyond the end of the plan', (changes) => {
    const rollout = inPhase('Paused');
    expect(rollout.look(100, changes)).toMatchObject({ action: 'wait', next: { phase: 'Paused', percent: 10 } });
  });
});

describe('a held rollout', () => {
  it.each([{}, null, failing, undecided])('waits for an operator and keeps its finding', (changes) => {
    const rollout = inPhase('Held');
    const { message } = rollout.state;
    const decision = rollout.look(18, changes);
    expect(decision).toMatchObject({ action: 'wait', next: { phase: 'Held', percent: 10, message } });
    expect(message).toContain('holysheep is slower');
  });

  it('is rolled back on a breach if the canary is worse', () => {
    expect(inPhase('Held').look(18, { ...failing, ...goodBaseline }).next.phase).toBe('RolledBack');
  });
});

describe('a rollout at 100%', () => {
  it('keeps the baseline warm until its time is over, and then ends', () => {
    const rollout = inPhase('Promoting');
    expect(rollout.look(25 - 1 / 3600)).toMatchObject({
      action: 'wait',
      reason: 'At 100%; legacy stays warm for a rollback for 1 s more.',
      next: { phase: 'Promoting' },
    });
    expect(rollout.look(25)).toMatchObject({
      action: 'finish',
      next: { phase: 'Succeeded', percent: 100, endedAtMs: startedAtMs + 25 * hourMs },
    });
  });

  it('ends in time even if no evidence can be read', () => {
    expect(inPhase('Promoting').look(25, null).next.phase).toBe('Succeeded');
  });

  it('reports a breach and leaves it to an operator', () => {
    const decision = inPhase('Promoting').look(5, { ...failing, baseline: arm(0, 0) });
    expect(decision).toMatchObject({ action: 'wait', next: { phase: 'Promoting', percent: 100 } });
    expect(decision.reason).toMatch(/holysheep is below 99%.*stays warm for a rollback for 20 h more/);
  });
});

describe('a rollout that has ended', () => {
  it.each([
    ['Succeeded', {}],
    ['Succeeded', { ...failing, ...goodBaseline }],
    ['RolledBack', {}],
    ['RolledBack', null],
  ] as const)('stays %s', (phase, changes) => {
    const rollout = inPhase(phase);
    const before = rollout.state;
    const { action, next } = rollout.look(200, changes);
    expect(action).toBe('wait');
    expect(next).toEqual({ ...before, sequence: before.sequence + 1 });
  });
});
