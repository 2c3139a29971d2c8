import type { UserEvidence } from '../../../src/contract/user-evidence';
import { reportOfUsers } from '../../../src/domain/rollout/user-report';
import { tally, userEvidence } from './given-users';

describe('the report by users', () => {
  it('has the rates of a single bake, with their intervals', () => {
    const report = reportOfUsers([
      userEvidence({
        baseline: tally(9_000, { firstCallFaults: 1_350, faultyUsers: 1_500 }),
        canary: tally(1_000, { firstCallFaults: 3, declinedUsers: 10, feedback: { up: 91, down: 9, handoff: 5 } }),
      }),
    ]);
    expect(report.users).toEqual({ baseline: 9_000, canary: 1_000 });
    expect(report.success.baseline).toMatchObject({ rate: 0.85, of: 9_000 });
    expect(report.success.canary?.rate).toBeCloseTo(0.997, 10);
    // Wilson's intervals of 997 in 1,000 and of 91 in 100.
    expect(report.success.canary?.interval.low).toBeCloseTo(0.9912, 4);
    expect(report.success.canary?.interval.high).toBeCloseTo(0.999, 4);
    expect(report.declined.canary?.rate).toBeCloseTo(0.01, 10);
    expect(report.troubled.baseline?.rate).toBeCloseTo(1 / 6, 10);
    expect(report.satisfaction.canary).toMatchObject({ rate: 0.91, of: 100 });
    expect(report.satisfaction.canary?.interval.low).toBeCloseTo(0.8377, 3);
    expect(report.satisfaction.baseline).toBeNull();
    expect(report.flags).toEqual([]);
    expect(report.costPerSuccessNanoUsd).toEqual({ baseline: 1_000_000, canary: 1_000_000 });
  });

  it('compares bakes and never adds them up', () => {
    // Arms that are alike: 99% in a good bake with 10% on the canary, 80% in a bad one with 50%.
    const bake = (users: number, share: number, rate: number): Partial<UserEvidence> => {
      const of = (some: number) =>
        tally(some, {
          firstCallFaults: Math.round(some * (1 - rate)),
          successfulTurns: some * rate,
          costNanoUsd: some * 1_000,
        });
      return { canary: of(users * share), baseline: of(users * (1 - share)) };
    };
    const report = reportOfUsers([
      userEvidence({ bake: 1, ...bake(10_000, 0.1, 0.99) }),
      userEvidence({ bake: 2, ...bake(10_000, 0.5, 0.8) }),
    ]);
    // Added up, the baseline would have 92%, the canary 83%.
    expect(report.success.baseline?.rate).toBeCloseTo(report.success.canary?.rate ?? 0, 10);
    expect(report.success.canary?.rate).toBeCloseTo((0.99 + 5 * 0.8) / 6, 10);
    const { baseline, canary } = report.costPerSuccessNanoUsd;
    expect(baseline).toBe(canary);
    expect(report.users).toEqual({ baseline: 14_000, canary: 6_000 });
  });

  it('knows less certainly what it knows from a few users of a bake with much weight', () => {
    const few = userEvidence({ bake: 2, canary: tally(9_000), baseline: tally(100) });
    const many = userEvidence({ bake: 2, canary: tally(9_000), baseline: tally(10_000) });
    const widthAfter = (second: UserEvidence): number => {
      const { baseline } = reportOfUsers([userEvidence({ bake: 1 }), second]).success;
      return baseline === null ? 1 : baseline.interval.high - baseline.interval.low;
    };
    expect(widthAfter(few)).toBeGreaterThan(0.03);
    expect(widthAfter(many)).toBeLessThan(0.001);
  });

  it('compares nothing in a bake without users of one arm', () => {
    const report = reportOfUsers([
      userEvidence({ bake: 1 }),
      userEvidence({ bake: 2, canary: tally(10_000, { firstCallFaults: 5_000 }), baseline: tally(0) }),
    ]);
    expect(report.success.canary).toMatchObject({ rate: 1, of: 1_000 });
    expect(report.users).toEqual({ baseline: 9_000, canary: 11_000 });
  });

  it('tells what there is if no bake has both arms, and nothing without users', () => {
    const { success } = reportOfUsers([userEvidence({ canary: tally(0), baseline: tally(50) })]);
    expect(success).toMatchObject({ baseline: { rate: 1, of: 50 }, canary: null });
    const none = reportOfUsers([userEvidence({ canary: tally(0), baseline: tally(0) })]);
    expect(none).toMatchObject({
      success: { baseline: null, canary: null },
      costPerSuccessNanoUsd: { baseline: null, canary: null },
    });
    expect(reportOfUsers([]).languages).toEqual([]);
  });

  it('has flags that answers carry, and languages with the most users first', () => {
    const zh = {
      language: 'zh',
      canary: tally(400, { flaggedUsers: { 'wrong-language': 200 } }),
      baseline: tally(3_600, { flaggedUsers: { truncated: 36 } }),
    };
    const en = { language: 'en', canary: tally(600), baseline: tally(5_400) };
    const report = reportOfUsers([userEvidence({ languages: [zh, en] })]);
    expect(report.languages.map(({ language }) => language)).toEqual(['en', 'zh']);
    expect(report.languages[1]?.flags).toMatchObject([
      { flag: 'truncated', share: { baseline: { rate: 0.01 }, canary: { rate: 0 } } },
      { flag: 'wrong-language', share: { baseline: { rate: 0 }, canary: { rate: 0.5, of: 400 } } },
    ]);
    expect(report.languages[0]?.flags).toEqual([]);
  });
});
