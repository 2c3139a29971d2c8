import type { RolloutCommandInput, RolloutCommandName, RolloutPhase } from '../../../src/contract/rollout';
import { readCommand } from '../../../src/domain/rollout/validate-command';
import { arm, hourMs, inPhase, Rollout, specWith, startedAtMs } from './given';

const force: RolloutCommandInput = { force: true, reason: 'we know better' };

const phases: readonly RolloutPhase[] = ['Progressing', 'Paused', 'Held', 'Promoting', 'Succeeded', 'RolledBack'];
const unfinished = phases.slice(0, 4);

describe('a command', () => {
  const table: Readonly<Record<string, readonly [RolloutCommandName, RolloutCommandInput, ...string[]]>> = {
    // In the order of the phases above; an empty string is a refusal.
    promote: ['promote', {}, 'Progressing', '', '', '', '', ''],
    'promote by force': ['promote', force, 'Progressing', 'Progressing', 'Progressing', '', '', ''],
    'promote in full': ['promote', { full: true }, 'Promoting', '', '', '', '', ''],
    'promote in full by force': [
      'promote',
      { ...force, full: true },
      'Promoting',
      'Promoting',
      'Promoting',
      '',
      '',
      '',
    ],
    pause: ['pause', {}, 'Paused', '', '', '', '', ''],
    resume: ['resume', {}, '', 'Progressing', '', '', '', ''],
    'resume with a reason': ['resume', { reason: 'mended' }, '', 'Progressing', 'Progressing', '', '', ''],
    rollback: ['rollback', {}, 'RolledBack', 'RolledBack', 'RolledBack', 'RolledBack', '', ''],
  };
  const cases = Object.entries(table).flatMap(([title, [name, input, ...ends]]) =>
    phases.map((phase, index) => ({ title, phase, name, input, end: ends[index] })),
  );

  it.each(cases)('to $title while $phase leads to "$end"', ({ phase, name, input, end }) => {
    const rollout = inPhase(phase);
    const before = rollout.state;
    const { action, reason, next } = rollout.command(name, 18, input, {});
    expect(next.sequence).toBe(before.sequence + 1);
    expect(reason).not.toBe('');
    if (end === '') {
      expect(action).toBe('refuse');
      expect(next).toEqual({ ...before, sequence: next.sequence });
    } else {
      expect(action).not.toBe('refuse');
      expect(next).toMatchObject({ phase: end, message: reason });
      expect(reason).toMatch(/^bob /);
    }
  });

  it.each(['promote', 'pause', 'resume', 'rollback'] as const)(
    'to %s records its actor and reason for the audit',
    (name) => {
      const rollout = inPhase(name === 'resume' ? 'Paused' : 'Progressing');
      expect(rollout.command(name, 18, { actor: 'eve', reason: 'it is time' }, {}).reason).toMatch(
        /^eve .*\("it is time"\)\.$/,
      );
    },
  );

  it.each(['pause', 'resume', 'rollback'] as const)('to %s has no effect when repeated', (name) => {
    const rollout = inPhase(name === 'resume' ? 'Held' : 'Progressing');
    const once = rollout.command(name, 2, { reason: 'so' }).next;
    const twice = rollout.command(name, 2, { reason: 'so' });
    expect(twice).toMatchObject({ action: 'refuse', next: { ...once, sequence: once.sequence + 1 } });
  });
});

describe('a promotion', () => {
  it('goes one step, before the bake is over, if the evidence suffices', () => {
    const { reason, next } = new Rollout().command('promote', 2, {}, {});
    expect(reason).toBe('bob promoted it from 10% to 25%.');
    expect(next).toMatchObject({ percent: 25, step: 1, bake: 2, stepStartedAtMs: startedAtMs + 2 * hourMs });
  });

  it('goes straight to 100% with full', () => {
    expect(new Rollout().command('promote', 2, { full: true }, {}).next).toMatchObject({ percent: 100, step: 4 });
  });

  it.each([
    ['the evidence cannot be read', null, /could not be read/],
    ['the data is old', { newestCanaryAtMs: startedAtMs }, /is no data/],
    ['E is not reached', { canarySuccesses: 900 }, /E .* clean requests to go/],
    ['the step has had too few requests', { canary: arm(299, 0, { users: 100 }) }, /299 of 300/],
    ['the canary breaches', { canary: arm(1000, 100, { users: 100 }) }, /is below 99%/],
    [
      'the canary is worse than the baseline',
      { canary: arm(1000, 12, { users: 100 }), baseline: arm(9000, 0, { users: 900 }) },
      /fails more often/,
    ],
    ['the canary is slower', { canarySlowCalls: 900 }, /is slower/],
  ])('is refused if %s, and says what is missing', (_, changes, told) => {
    const decision = new Rollout().command('promote', 18, {}, changes);
    expect(decision).toMatchObject({ action: 'refuse', next: { percent: 10 } });
    expect(decision.reason).toMatch(told);
    expect(decision.reason).toMatch(/^The evidence is not there: .* Wait, or force with a reason\.$/);
  });

  it('is refused within a freeze window unless it is forced', () => {
    const freezeWindows = [{ fromMs: startedAtMs, toMs: startedAtMs + 20 * hourMs }];
    const rollout = new Rollout(specWith({ freezeWindows }));
    expect(rollout.command('promote', 18, {}, {}).reason).toBe(
      'A freeze window ends in 2 h. Wait, or force with a reason.',
    );
    expect(rollout.command('promote', 18, force, null).action).toBe('advance');
  });

  it.each([undefined, '', '  \n'])('cannot be forced without a reason: %j', (reason) => {
    const decision = new Rollout().command('promote', 18, { force: true, reason }, {});
    expect(decision).toMatchObject({ action: 'refuse', reason: expect.stringContaining('give a reason') });
  });

  it('can be forced against any evidence, and the list of steps keeps the reason', () => {
    const rollout = new Rollout();
    rollout.command('promote', 3, force, { canary: arm(1000, 900) });
    expect(rollout.state.reached.at(-1)).toEqual({
      percent: 25,
      startedAtMs: startedAtMs + 3 * hourMs,
      because: 'bob forced it from 10% to 25% ("we know better").',
    });
  });

  it('moves one step if two operators who saw the same percentage promote it', () => {
    const rollout = new Rollout();
    rollout.command('promote', 3, { ...force, seenPercent: 10 });
    const second = rollout.command('promote', 3, { ...force, actor: 'eve', seenPercent: 10 });
    expect(second).toMatchObject({
      action: 'refuse',
      reason: 'promote was meant at 10%, the rollout is at 25% by now.',
      next: { percent: 25 },
    });
  });

  it('moves one step if a forced signal arrives twice', () => {
    const rollout = new Rollout();
    rollout.command('promote', 3, force);
    for (const atHours of [3, 3.01, 3.02]) {
      expect(rollout.command('promote', atHours, force)).toMatchObject({
        action: 'refuse',
        reason:
          'That was done already: bob forced it from 10% to 25% ("we know better"). ' +
          'To force the next step too, say "seenPercent": 25.',
        next: { percent: 25 },
      });
    }
  });

  it.each([
    ['by someone else', { ...force, actor: 'eve' }, 50],
    ['for another reason', { ...force, reason: 'really' }, 50],
    ['that says where it starts', { ...force, seenPercent: 25 }, 50],
    ['that skips the rest', { ...force, full: true }, 100],
  ])('by force goes beyond an earlier one if it is one %s', (_, input, percent) => {
    const rollout = new Rollout();
    rollout.command('promote', 3, force);
    expect(rollout.command('promote', 3, input).next.percent).toBe(percent);
  });

  it('by force can be repeated once the step has been analysed', () => {
    const rollout = new Rollout();
    rollout.command('promote', 3, force);
    rollout.look(3.1);
    expect(rollout.command('promote', 3.2, force).next.percent).toBe(50);
  });
});

describe('a percentage that the operator saw and that is out of date', () => {
  it.each([
    ['promote', 'Progressing', 'refuse'],
    ['resume', 'Paused', 'refuse'],
    ['pause', 'Progressing', 'pause'],
    ['rollback', 'Progressing', 'roll-back'],
  ] as const)('lets %s while %s come to: %s', (name, phase, action) => {
    expect(inPhase(phase).command(name, 18, { seenPercent: 5 }, {}).action).toBe(action);
  });
});

describe('a resumed rollout', () => {
  it('continues the same bake after a pause', () => {
    const rollout = inPhase('Paused');
    expect(rollout.command('resume', 5).next).toMatchObject({ bake: 1, bakeStartedAtMs: startedAtMs });
  });

  it('starts a new bake after a hold, so that the same finding does not hold it again', () => {
    const rollout = inPhase('Held');
    const { next } = rollout.command('resume', 5, { reason: 'mended' });
    expect(next).toMatchObject({ bake: 2, bakeStartedAtMs: startedAtMs + 5 * hourMs, stepStartedAtMs: startedAtMs });
  });
});

describe('a rollback', () => {
  it.each(unfinished)('wins while %s, however the signal was spelled', (phase) => {
    for (const input of [{}, null, 'now!', { actor: 7 }, { actor: 'ann', seenPercent: '10', force: true }]) {
      const rollout = inPhase(phase);
      const { name, actor, ...command } = readCommand('rollback', input);
      const { action, next } = rollout.command(name, 18, { actor, ...command });
      expect(action).toBe('roll-back');
      expect(next).toMatchObject({ phase: 'RolledBack', percent: 0, endedAtMs: startedAtMs + 18 * hourMs });
    }
  });

  it('is final: no command and no evidence changes anything after it', () => {
    const rollout = inPhase('RolledBack');
    const { sequence, ...ended } = rollout.state;
    const decisions = [
      rollout.look(18),
      rollout.command('promote', 19, { ...force, full: true }, {}),
      rollout.command('resume', 20, { reason: 'please' }),
      rollout.command('rollback', 21),
    ];
    expect(decisions.map(({ action }) => action)).toEqual(['wait', 'refuse', 'refuse', 'refuse']);
    for (const { next } of decisions) expect(next).toMatchObject(ended);
    expect(decisions[1]?.reason).toBe('The rollout has ended (RolledBack): bob rolled back.');
    expect(rollout.state.sequence).toBe(sequence + 4);
  });
});

describe('a malformed signal', () => {
  it.each([
    ['promote', undefined, /the command must be an object/],
    ['promote', 'ann', /the command must be an object/],
    ['promote', { actor: 'ann', force: true }, /reason must say why you force it/],
    ['promote', { actor: 'ann', full: 'yes' }, /full must be true or false, not "yes"/],
    ['pause', { reason: 'no actor' }, /actor must say who you are/],
    ['resume', { actor: 'ann', reason: 5 }, /reason must be a text/],
    ['pause', { actor: 'ann', seenPercent: 9.5 }, /seenPercent must be a whole number, not 9.5/],
  ] as const)('to %s is refused and recorded with what is wrong: %j', (name, input, problem) => {
    const rollout = inPhase(name === 'resume' ? 'Held' : 'Progressing');
    const before = rollout.state;
    const { name: itsName, ...command } = readCommand(name, input);
    const { action, reason, next } = rollout.command(itsName, 18, command, {});
    expect(action).toBe('refuse');
    expect(reason).toMatch(problem);
    expect(next).toEqual({ ...before, sequence: before.sequence + 1 });
  });
});
