import * as fc from 'fast-check';
import type { UserEvidence, UserTally } from '../../../src/contract/user-evidence';
import { isReached } from '../../../src/domain/rollout/evidence';
import { defaultRolloutGates as gates, rolloutPlans } from '../../../src/domain/rollout/plans';
import { cleanUsersToGo, measureUsers, type MeasuredSpec } from '../../../src/domain/rollout/user-measures';
import { exactChances } from './exact-chances';
import { closed, evenCost, tally, userEvidence } from './given-users';

const { steps } = rolloutPlans['72h'];
const spec: MeasuredSpec = { gates, steps };
const measured = (changes: Partial<UserEvidence>, percent = 10) => measureUsers(userEvidence(changes), spec, percent);
const arms = (canary: Partial<UserTally>, baseline: Partial<UserTally> = {}) => ({
  canary: tally(1_000, canary),
  baseline: tally(9_000, baseline),
});

describe('E, over closed users', () => {
  const verdict = (users: number, failed: number) =>
    isReached(measured({ closed: closed(users, failed) }).advance) ? 'advance' : null;

  it.each([
    { rate: 0.998, median: 1653, by99: 3393, by999: 4158 },
    { rate: 0.997, median: 2237, by99: 5018, by999: 6111 },
    { rate: 0.996, median: 3235, by99: 7445, by999: 9271 },
  ])('needs $median users at $rate in the median, $by99 in 99% of rollouts', ({ rate, median, by99, by999 }) => {
    const { advancedAfter } = exactChances(rate, 12_000, verdict);
    expect([advancedAfter(0.5), advancedAfter(0.99), advancedAfter(0.999)]).toEqual([median, by99, by999]);
  });

  it('is reached in at most 1 of 1,000 rollouts at 99%, however often it is checked', () => {
    const { advances } = exactChances(0.99, 20_000, verdict);
    expect(advances).toBeLessThanOrEqual(gates.alpha);
    expect(advances).toBeGreaterThan(gates.alpha / 10);
  });

  it('counts a user once, whatever the number of calls', () => {
    const ofOneUser = (calls: number, failed: number) =>
      measured({ closed: [{ calls, failed, users: 1 }] }).advance.value;
    expect(ofOneUser(50, 50)).toBeCloseTo(ofOneUser(1, 1), 12);
    expect(ofOneUser(50, 25)).toBeCloseTo(ofOneUser(2, 1), 12);
  });

  it('says how many users without a failure are still needed', () => {
    const evidence = userEvidence({ closed: closed(500, 2) });
    const toGo = cleanUsersToGo(evidence, spec);
    const after = (clean: number) => measured({ closed: [...evidence.closed, { calls: 3, failed: 0, users: clean }] });
    expect(isReached(after(toGo).advance)).toBe(true);
    expect(isReached(after(toGo - 1).advance)).toBe(false);
    expect(cleanUsersToGo(userEvidence({ closed: closed(9_000, 9) }), spec)).toBe(0);
  });
});

describe('D, over first calls', () => {
  const verdict = (users: number, faults: number) =>
    isReached(measured(arms({ firstCalls: users, firstCallFaults: faults })).breach) ? 'breach' : null;

  it('is reached by chance in no more of the rollouts than its share of beta in every step', () => {
    const { breaches } = exactChances(0.99, 20_000, verdict);
    expect(breaches).toBeLessThanOrEqual(gates.beta / steps.length);
    expect(breaches).toBeGreaterThan(gates.beta / steps.length / 10);
  });

  it.each([
    { successRate: 0.98, within: 7_000 },
    { successRate: 0.9, within: 200 },
    { successRate: 0.1, within: 8 },
  ])('shows a canary at $successRate in 99% of rollouts within $within users', ({ successRate, within }) => {
    expect(exactChances(successRate, within, verdict).breaches).toBeGreaterThan(0.99);
    expect(exactChances(successRate, Math.floor(within / 5), verdict).breaches).toBeLessThan(0.99);
  });
});

describe('comparisons of users in trouble', () => {
  const faults = (users: number): Partial<UserTally> => ({ faultyUsers: users, firstCallFaults: users });
  const isWorse = (canary: number, baseline: number, percent = 10) =>
    isReached(measured(arms(faults(canary), faults(baseline)), percent).worse);

  it('need 6 distinct users of a candidate that fails everything at 10%, and a clean baseline', () => {
    expect([isWorse(5, 0), isWorse(6, 0)]).toEqual([false, true]);
  });

  it('show a candidate that fails everything even if most of the baseline’s users meet some fault', () => {
    const canary = { faultyUsers: 20, firstCallFaults: 20 };
    const baseline = { faultyUsers: 131, firstCallFaults: 27 };
    expect(isReached(measured(arms(canary, baseline)).worse)).toBe(true);
    expect(isReached(measured(arms({ ...canary, firstCallFaults: 3 }, baseline)).worse)).toBe(false);
  });

  it.each([10, 25, 50, 75])('are reached by chance at %i% no more often than their bound allows', (percent) => {
    // Of the users in trouble, this share are the baseline's when the arms are alike.
    const { breaches } = exactChances(1 - percent / 100, 3_000, (users, canary) =>
      isWorse(canary, users - canary, percent) ? 'breach' : null,
    );
    expect(breaches).toBeLessThanOrEqual(gates.beta / steps.length);
    expect(breaches).toBeGreaterThan(gates.beta / steps.length / 20);
  });

  it('look alike for faults, declined calls, slow calls and feedback', () => {
    const measures = measured(
      arms(
        { ...faults(9), declinedUsers: 9, slowUsers: 9, slowToSpeakUsers: 9, unhappyUsers: 9 },
        { ...faults(3), declinedUsers: 3, slowUsers: 3, slowToSpeakUsers: 3, unhappyUsers: 3 },
      ),
    );
    const { worse, declined, slower, slowerToSpeak, feedback } = measures;
    const values = [worse, declined, slower, slowerToSpeak, feedback].map((test) => test?.value.toFixed(9));
    expect(new Set(values)).toEqual(new Set([worse.value.toFixed(9)]));
  });

  it('compare flags among users who got an answer', () => {
    const half = measured(
      arms({ answeredUsers: 500, flaggedUsers: { refused: 5 } }, { flaggedUsers: { refused: 90 } }),
    );
    const all = measured(arms({ flaggedUsers: { refused: 5 } }, { flaggedUsers: { refused: 90 } }));
    expect(half.flags.refused.value).toBeGreaterThan(all.flags.refused.value);
    expect(half.flags.empty.value).toBe(0);
  });

  it('say nothing about latency without a limit, a guard, or streams on both arms', () => {
    const slow = arms({ slowUsers: 900, slowToSpeakUsers: 900 });
    const unguarded = { ...spec, gates: { ...gates, maxLatencyPercent: null } };
    const withoutLimits = measured({ ...slow, limits: { callMs: null, firstTokenMs: null } });
    const withoutGuard = measureUsers(userEvidence(slow), unguarded, 10);
    for (const { slower, slowerToSpeak } of [withoutLimits, withoutGuard]) {
      expect([slower, slowerToSpeak]).toEqual([null, null]);
    }
    expect(measured({ ...slow, baseline: tally(9_000, { spokenUsers: 0 }) }).slowerToSpeak).toBeNull();
  });

  it('say nothing where all users are on one arm', () => {
    expect(measured(arms(faults(50)), 100).worse.value).toBe(0);
    expect(measured({ canary: tally(0), baseline: tally(0) }).flags.empty.value).toBe(0);
  });

  it('grow with every canary user in trouble and shrink with every one of the baseline', () => {
    const counts = fc.tuple(fc.nat(200), fc.nat(2_000), fc.integer({ min: 1, max: 99 }));
    fc.assert(
      fc.property(counts, ([canary, baseline, percent]) => {
        const value = (more: number, others: number) =>
          measured(arms(faults(canary + more), faults(baseline + others)), percent).worse.value;
        expect(value(1, 0)).toBeGreaterThan(value(0, 0));
        expect(value(0, 1)).toBeLessThan(value(0, 0));
      }),
    );
  });
});

describe('bounds', () => {
  it('are shared among the steps, the flags, and the declared languages', () => {
    const languages = [
      { language: 'zh', canary: tally(300, { faultyUsers: 9 }), baseline: tally(2_700) },
      { language: 'th', canary: tally(30), baseline: tally(270) },
    ];
    const measures = measureUsers(userEvidence({ languages }), { ...spec, languages: ['zh', 'th'] }, 10);
    expect(measures.worse.needed).toBeCloseTo(Math.log(4 / 0.001), 12);
    expect(measures.flags.empty.needed).toBeCloseTo(Math.log((4 * 8) / 0.005), 12);
    expect(measures.feedback.needed).toBeCloseTo(Math.log(4 / 0.005), 12);
    expect(measures.languages.map(({ language }) => language)).toEqual(['zh', 'th']);
    expect(measures.languages[0]?.worse.needed).toBeCloseTo(Math.log((2 * 4) / 0.001), 12);
    expect(measures.languages[0]?.flags.empty.needed).toBeCloseTo(Math.log((2 * 4 * 8) / 0.005), 12);
  });

  it('count an undeclared language from 5% of the users on', () => {
    const languages = [
      { language: 'ja', canary: tally(50), baseline: tally(450) },
      { language: 'ko', canary: tally(49), baseline: tally(450) },
    ];
    const { languages: counted } = measured({ languages });
    expect(counted.map(({ language }) => language)).toEqual(['ja']);
    expect(counted[0]?.worse.needed).toBeCloseTo(Math.log((20 * 4) / 0.001), 12);
  });
});

describe('cost', () => {
  const costOf = (
    changes: Partial<MeasuredSpec['gates']>,
    canary: Partial<UserTally>,
    baseline: Partial<UserTally> = {},
  ) => measureUsers(userEvidence(arms(canary, baseline)), { ...spec, gates: { ...gates, ...changes } }, 10).cost;

  it('is reached just when the lower end of the confidence sequence is above the limit', () => {
    const users = 10_000;
    const bound = 0.02 / 4;
    // As published, one-sided, with rho for 5,000 users; the cut-off half of the mixture is bounded by e^(-z²/2) / 2.
    const rhoSquared = (-2 * Math.log(bound) + Math.log(-2 * Math.log(bound) + 1)) / 5_000;
    const mixed = users * rhoSquared + 1;
    const errors = Math.sqrt(((2 * mixed) / (users * rhoSquared)) * Math.log((Math.sqrt(mixed) / bound + 1) / 2));
    const variance = (costs: number, count: number) => (0.01 * costs ** 2) / (count - 1);
    const lowerEnd = (microUsd: number) =>
      microUsd - 1.1 * 1_000 - errors * Math.sqrt(variance(microUsd, 1_000) + 1.1 ** 2 * variance(1_000, 9_000));
    let [below, above] = [1_100, 1_300];
    for (let halving = 0; halving < 40; halving += 1) {
      const middle = (below + above) / 2;
      if (lowerEnd(middle) > 0) above = middle;
      else below = middle;
    }
    const reachedAt = (microUsd: number) => {
      const cost = costOf({}, { cost: evenCost(1_000, microUsd) });
      return cost !== null && isReached(cost);
    };
    expect([reachedAt(above - 0.001), reachedAt(above + 0.001)]).toEqual([false, true]);
  });

  it('names the canary’s nano-dollars per success and the limit that is nearer', () => {
    const relative = costOf({ maxCostNanoUsdPerSuccess: 9_000_000 }, { cost: evenCost(1_000, 1_500) });
    expect([relative?.perSuccess, relative?.limit]).toEqual([1_500_000, 1_100_000]);
    const fixed = costOf({ maxCostNanoUsdPerSuccess: 900_000 }, { cost: evenCost(1_000, 1_050) });
    expect([fixed?.perSuccess, fixed?.limit]).toEqual([1_050_000, 900_000]);
  });

  it.each([
    ['too few canary users', {}, { cost: evenCost(299, 9_000) }, {}],
    ['too few baseline users', {}, {}, { cost: evenCost(299, 9_000) }],
    ['no guard', { maxCostPercent: null }, { cost: evenCost(1_000, 9_000) }, {}],
    ['no successes', {}, { cost: { ...evenCost(1_000, 9_000), s: 0, ss: 0, cs: 0 } }, {}],
  ])('says nothing with %s', (_, changes, canary, baseline) => {
    expect(costOf(changes, canary, baseline)).toBeNull();
  });
});

it('gives finite figures for any counts', () => {
  const count = fc.nat(1_000_000);
  const sums = fc.record({ users: count, c: count, s: count, cc: count, ss: count, cs: count });
  const anyTally = fc.record({ users: count, firstCallFaults: count, faultyUsers: count, cost: sums });
  fc.assert(
    fc.property(anyTally, anyTally, fc.integer({ min: 0, max: 100 }), (canary, baseline, percent) => {
      const measures = measured(arms(canary, baseline), percent);
      const { languages: _, flags, cost, ...rest } = measures;
      const values = [...Object.values(rest), ...Object.values(flags), cost].map((test) => test?.value ?? 0);
      expect(values.filter((value) => !Number.isFinite(value))).toEqual([]);
    }),
  );
});
