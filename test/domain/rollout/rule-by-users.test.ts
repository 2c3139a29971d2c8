import type { UserTally } from '../../../src/contract/user-evidence';
import { successionProblem } from '../../../src/domain/rollout/succession';
import { closed, evenCost, tally, UserRollout, userSpec } from './given-users';
import { hourMs, startedAtMs } from './given';

const failing: Partial<UserTally> = { firstCallFaults: 60, faultyUsers: 60 };

/** A rollout at 100%, promoted by an operator one hour after its start. */
function atFullTraffic(changes: Parameters<typeof userSpec>[0] = {}): UserRollout {
  const rollout = new UserRollout(userSpec(changes));
  rollout.command('promote', 1, { full: true, force: true, reason: 'we know better' });
  return rollout;
}

describe('the 72-hour plan, by users', () => {
  it('is kept to the minute if the evidence arrives in time', () => {
    const rollout = new UserRollout();
    rollout.follow(200);
    expect(rollout.reached).toEqual([
      [10, 0],
      [25, 18],
      [50, 30],
      [75, 60],
      [100, 72],
    ]);
    expect(rollout.state).toMatchObject({ phase: 'Succeeded', endedAtMs: startedAtMs + 96 * hourMs });
  });

  it.each([
    ['E', { closed: closed(2_000, 8) }, /E 3\.4 of 6\.9, about \d+ users without a failure to go/],
    ['users', { canary: tally(999) }, /999 of 1000 users of holysheep in this step/],
    ['requests', { canary: tally(1_000, { successes: 299 }) }, /299 of 300 requests of holysheep/],
    [
      'its own rate',
      { canary: tally(1_000, { firstCallFaults: 11 }), baseline: tally(9_000, { firstCallFaults: 99 }) },
      /98\.9% of 1000 users .* at least 99% is needed/,
    ],
    [
      'a recent request',
      { newestCanaryAtMs: startedAtMs },
      /ended 18 h ago; the rollout advances once the next one ends/,
    ],
  ])('waits for %s', (_, changes, missing) => {
    const decision = new UserRollout().look(18, changes);
    expect(decision.action).toBe('wait');
    expect(decision.missing).toEqual([expect.stringMatching(missing)]);
  });

  it('does not carry a canary that has become worse with the evidence of earlier steps', () => {
    const rollout = new UserRollout();
    rollout.look(18);
    const canary = tally(3_000, { firstCallFaults: 39, faultyUsers: 39 });
    const baseline = tally(9_000, { firstCallFaults: 117, faultyUsers: 117 });
    const decision = rollout.look(30, { closed: closed(60_000, 200), canary, baseline });
    expect(decision).toMatchObject({ action: 'wait', next: { percent: 25 } });
  });
});

describe('failures', () => {
  it('roll back when the canary is below the minimum and worse', () => {
    const { action, reason, next } = new UserRollout().lookAt(1, failing);
    expect([action, next.percent]).toEqual(['roll-back', 0]);
    expect(reason).toMatch(/below 99%: holysheep 94% of 1000 users.*60 of 1000 users, legacy 0 of 9000/);
  });

  it('of 6 distinct users, and of nobody else, roll a candidate back that fails everything', () => {
    const rollout = new UserRollout();
    const broken = (users: number) => ({
      closed: [],
      canary: tally(users, { firstCallFaults: users, faultyUsers: users, successes: 0, faults: users }),
      baseline: tally(users * 9),
    });
    expect(rollout.look(0.1, broken(5)).action).not.toBe('roll-back');
    expect(new UserRollout().look(0.1, broken(6)).action).toBe('roll-back');
  });

  it('do not expire: the newest request may be old, because nobody gets an answer any more', () => {
    const decision = new UserRollout().lookAt(8, failing, { newestCanaryAtMs: startedAtMs });
    expect(decision.action).toBe('roll-back');
  });

  it('that both arms share hold the rollout, as rolling back may not help', () => {
    const baseline = tally(9_000, { firstCallFaults: 540, faultyUsers: 540 });
    const { action, reason } = new UserRollout().lookAt(1, failing, { baseline });
    expect(action).toBe('hold');
    expect(reason).toMatch(/It is not shown that legacy does better/);
  });

  it('of more users, but within the minimum, hold the rollout', () => {
    const { action, reason } = new UserRollout().lookAt(1, { faultyUsers: 9, firstCallFaults: 9 });
    expect([action, reason]).toEqual(['hold', expect.stringMatching(/^More users of holysheep hit failures/)]);
  });

  it('of one user, a thousand times, move nothing', () => {
    const oneUser = { firstCallFaults: 1, faultyUsers: 1, faults: 50 };
    expect(new UserRollout().lookAt(1, oneUser, { closed: [{ calls: 50, failed: 50, users: 1 }] }).action).toBe('wait');
  });

  it('roll back a rollout that is paused or held, too', () => {
    const paused = new UserRollout();
    paused.command('pause', 1);
    expect(paused.lookAt(2, failing).action).toBe('roll-back');
    const held = new UserRollout();
    held.lookAt(1, { declinedUsers: 30 });
    expect(held.state.phase).toBe('Held');
    expect(held.lookAt(2, failing).action).toBe('roll-back');
  });
});

describe('guards', () => {
  const guards: readonly (readonly [string, Partial<UserTally>, RegExp])[] = [
    [
      'declined',
      { declinedUsers: 30 },
      /declines requests from more users: holysheep 30 of 1000 users, legacy 0 of 9000/,
    ],
    ['latency', { slowUsers: 30 }, /is slower: holysheep 30 of 1000 users.*slow means above 400 ms/],
    ['firstToken', { slowToSpeakUsers: 30 }, /longer to start answering: holysheep 30 .*slow means above 100 ms/],
    ['flags', { flaggedUsers: { 'wrong-language': 30 } }, /flagged wrong-language: holysheep 30 of 1000 users/],
    ['feedback', { unhappyUsers: 30 }, /More users of holysheep are unhappy/],
    ['cost', { cost: evenCost(1_000, 2_000) }, /costs \$0\.002 per successful turn, the limit is \$0\.0011/],
    ['wrongShare', { users: 1_500 }, /1500 of 10500 users are on holysheep, too far from 10% to be chance/],
  ];

  it.each(guards)('hold the rollout: %s', (_, canary, reason) => {
    const decision = new UserRollout().lookAt(1, canary);
    expect(decision.action).toBe('hold');
    expect(decision.reason).toMatch(reason);
  });

  it.each(guards)('only report what they find if their mode says so: %s', (guard, canary) => {
    const rollout = new UserRollout(userSpec({}, { guards: { [guard]: 'report' } }));
    expect(rollout.lookAt(18, canary).action).toBe('advance');
  });

  it('name the language in which there is trouble', () => {
    const languages = [
      { language: 'en', canary: tally(700), baseline: tally(6_300) },
      { language: 'zh', canary: tally(300, { flaggedUsers: { 'wrong-language': 12 } }), baseline: tally(2_700) },
      { language: 'th', canary: tally(40, { faultyUsers: 9 }), baseline: tally(360) },
    ];
    const { reason } = new UserRollout(userSpec({ languages: ['zh', 'th'] })).look(1, { languages });
    expect(reason).toMatch(/In zh: more first answers of holysheep are flagged wrong-language: holysheep 12 of 300/);
    expect(reason).toMatch(/In th: more users of holysheep hit failures: holysheep 9 of 40/);
    // Undeclared, and with less than 5% of the users.
    expect(new UserRollout().look(1, { languages: languages.slice(2) }).action).toBe('wait');
  });

  it('freeze the limits of a bake at the baseline’s p95 of the one before', () => {
    const rollout = new UserRollout();
    const latencies = [
      [200, 8_000],
      [500, 600],
      [900, 400],
    ] as const;
    rollout.look(18, { baseline: tally(9_000, { latencies, firstTokens: [[50, 299]] }) });
    expect(rollout.state.byUsers?.limits).toEqual({ callMs: 500, firstTokenMs: 100 });
    rollout.command('promote', 19, { force: true, reason: 'in a hurry' });
    expect(rollout.state.byUsers?.limits).toEqual({ callMs: 500, firstTokenMs: 100 });
  });
});

describe('evidence that cannot be read', () => {
  it('holds the rollout the third time in a row', () => {
    const rollout = new UserRollout();
    expect(
      [rollout.look(1, null), rollout.look(2, null), rollout.look(3), rollout.look(4, null)].map((d) => d.action),
    ).toEqual(['wait', 'wait', 'wait', 'wait']);
    expect(rollout.look(5, { bake: 7 }).action).toBe('wait');
    const third = rollout.look(6, null);
    expect([third.action, third.reason]).toEqual(['hold', expect.stringMatching(/3 times in a row/)]);
  });
});

describe('the deadline of the plan', () => {
  const unproven = { closed: closed(500, 1) };

  it('holds a rollout without its evidence', () => {
    const rollout = new UserRollout();
    expect(rollout.look(71.9, unproven).action).toBe('wait');
    expect(rollout.look(72, unproven).action).toBe('hold');
  });

  it('does not hold one that is proven and has a quiet night: it waits for the next request', () => {
    const rollout = new UserRollout();
    const quiet = { newestCanaryAtMs: startedAtMs + 60 * hourMs };
    expect(rollout.look(72, quiet)).toMatchObject({ action: 'wait', next: { phase: 'Progressing' } });
    expect(rollout.look(80, quiet).action).toBe('wait');
    expect(rollout.look(80.1).action).toBe('advance');
  });

  it('moves by the time of a pause', () => {
    const rollout = new UserRollout();
    rollout.command('pause', 10);
    rollout.look(40, unproven);
    rollout.command('resume', 74);
    expect(rollout.state.byUsers).toMatchObject({ stoppedMs: 64 * hourMs, stoppedAtMs: null });
    expect(rollout.look(74.001, unproven).action).toBe('wait');
    expect(rollout.look(135.9, unproven).action).toBe('wait');
    expect(rollout.look(136, unproven).action).toBe('hold');
  });

  it('moves by the time of a hold', () => {
    const rollout = new UserRollout();
    rollout.lookAt(10, { declinedUsers: 30 });
    rollout.look(30);
    rollout.command('resume', 50, { reason: 'their filter is meant' });
    expect(rollout.look(111.9, unproven).action).toBe('wait');
    expect(rollout.look(112, unproven).action).toBe('hold');
  });
});

describe('at 100%', () => {
  it.each([
    ['a breach', failing, /below 99%/],
    ['an alarm', { cost: evenCost(10_000, 9_000) }, /costs \$0\.009/],
  ])('never finishes while %s stands, and can be rolled back', (_, canary, reason) => {
    const rollout = atFullTraffic({});
    const changes = { canary: tally(1_000, canary), baseline: tally(1_000) };
    for (const atHours of [2, 24.9, 25, 40]) {
      const decision = rollout.look(atHours, changes);
      expect(decision).toMatchObject({ action: 'wait', next: { phase: 'Promoting' } });
      expect(decision.reason).toMatch(reason);
      expect(decision.missing).toEqual(['An operator must roll back, or resume with a reason.']);
    }
    expect(rollout.command('rollback', 41).next).toMatchObject({ percent: 0, phase: 'RolledBack' });
  });

  it('finishes after an operator has overridden the finding, with a reason', () => {
    const rollout = atFullTraffic();
    rollout.look(25, { canary: tally(1_000, failing) });
    expect(rollout.command('resume', 26).action).toBe('refuse');
    expect(rollout.command('resume', 26, { reason: 'was a test of the provider' }).action).toBe('resume');
    expect(rollout.state).toMatchObject({ phase: 'Promoting', bake: 3 });
    expect(rollout.look(26.1).action).toBe('finish');
  });

  it.each([
    ['resumed', 'resume' as const, { reason: 'was a test of the provider' }],
    [
      'relieved of a period',
      'exclude' as const,
      { reason: 'an outage', fromMs: startedAtMs + 20 * hourMs, toMs: startedAtMs + 26 * hourMs },
    ],
  ])('finishes on new users only when it was %s', (_, command, input) => {
    const rollout = atFullTraffic();
    rollout.look(25, { canary: tally(1_000, failing) });
    rollout.command(command, 26, input);
    expect(rollout.look(26.1, { canary: tally(299) })).toMatchObject({
      action: 'wait',
      missing: ['299 of 300 users of holysheep since it was resumed or a period was excluded.'],
    });
    expect(rollout.look(26.2, { canary: tally(300) }).action).toBe('finish');
  });

  it('does not finish without evidence', () => {
    const rollout = atFullTraffic();
    expect(rollout.look(25, null)).toMatchObject({
      action: 'wait',
      missing: [expect.stringMatching(/could not be read/)],
    });
    expect(rollout.look(25.1).action).toBe('finish');
  });

  it('keeps a share of users on the baseline, compares with them, and lets them follow in the end', () => {
    const rollout = atFullTraffic({ holdbackPercent: 3 });
    expect(rollout.state).toMatchObject({ phase: 'Promoting', percent: 97 });
    expect(rollout.look(24).action).toBe('wait');
    const before = rollout.state;
    expect(rollout.look(25)).toMatchObject({ action: 'finish', next: { phase: 'Succeeded', percent: 100 } });
    expect(successionProblem(before, rollout.state)).toBeNull();
    expect(rollout.reached).toEqual([
      [10, 0],
      [97, 1],
      [100, 25],
    ]);
  });

  it('rolls back by itself where those held back show that the canary is worse', () => {
    const rollout = atFullTraffic({ holdbackPercent: 5 });
    const canary = tally(9_500, { firstCallFaults: 950, faultyUsers: 950 });
    expect(rollout.look(5, { canary, baseline: tally(500) }).action).toBe('roll-back');
  });
});

describe('exclude', () => {
  const window = (fromHours: number, toHours: number) => ({
    fromMs: startedAtMs + fromHours * hourMs,
    toMs: startedAtMs + toHours * hourMs,
    reason: 'outage of the data centre',
  });

  it('is a decision that changes nothing but what counts', () => {
    const rollout = new UserRollout();
    const { message: _, ...before } = rollout.state;
    const { action, reason, next } = rollout.command('exclude', 5, window(2, 3));
    expect([action, reason]).toEqual([
      'exclude',
      'bob excluded from the evidence the 1 h that ended 3 h after the start ("outage of the data centre").',
    ]);
    const { fromMs, toMs } = window(2, 3);
    expect(next).toMatchObject({
      ...before,
      sequence: 2,
      byUsers: { ...before.byUsers, excluded: [{ fromMs, toMs }] },
    });
  });

  it.each([
    ['before the start', -3, -1, /^toMs: must be later than the start of the rollout, not 1 h before it/],
    ['in the future', 2, 6, /^toMs: must not be in the future; it is 1 h from now/],
  ])('refuses a period %s', (_, from, to, reason) => {
    const decision = new UserRollout().command('exclude', 5, window(from, to));
    expect([decision.action, decision.reason]).toEqual(['refuse', expect.stringMatching(reason)]);
  });

  it('refuses a period so short that it would choose single users', () => {
    const { fromMs } = window(2, 3);
    const command = { fromMs, toMs: fromMs + 299_999, reason: 'outage' };
    expect(new UserRollout().command('exclude', 5, command)).toMatchObject({
      action: 'refuse',
      reason: 'fromMs, toMs: must be at least 5 min apart, the time between two analyses, not 299999 ms.',
    });
  });

  it('is told with the evidence for a step', () => {
    const rollout = new UserRollout();
    rollout.command('exclude', 5, window(2, 3));
    expect(rollout.look(18).reason).toMatch(/1 period was excluded by hand, so the bound of 0.1% holds only if/);
  });

  it('refuses a 21st time', () => {
    const rollout = new UserRollout();
    for (let count = 0; count < 20; count += 1) rollout.command('exclude', 5, window(2, 3));
    expect(rollout.command('exclude', 5, window(2, 3))).toMatchObject({
      action: 'refuse',
      reason: 'fromMs, toMs: 20 periods are excluded already; no more can be added.',
    });
  });
});
