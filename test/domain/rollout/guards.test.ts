import type { Evidence, RolloutGates } from '../../../src/contract/rollout';
import { isReached, measure, type Measures } from '../../../src/domain/rollout/evidence';
import { defaultRolloutGates } from '../../../src/domain/rollout/plans';
import { sampleLatencyMs, seededRandom } from '../../../src/domain/random';
import { advanceRollout } from '../../../src/domain/rollout/advance-rollout';
import { oneKeyFinding } from '../../../src/domain/rollout/findings';
import { arm, hourMs, provenAt, Rollout, startedAtMs } from './given';

/** Wide enough that a bound which is met exactly shows in some hundred runs. */
const beta = 0.05;
const gates: RolloutGates = { ...defaultRolloutGates, beta };
const runs = 400;
/** More of 400 runs than this a chance of beta hits with a probability below one in ten thousand. */
const mostAlarms = Math.ceil(runs * beta + 4 * Math.sqrt(runs * beta * (1 - beta)));

const good = provenAt(new Rollout().state, 0);
const empty: Evidence = { ...good, canary: arm(0, 0), baseline: arm(0, 0), canaryTimedCalls: 0, canarySlowCalls: 0 };

/** In how many of the runs the test is reached at any of the looks of a run; `next` draws one more request. */
function countAlarms(
  test: 'worse' | 'slower' | 'wrongShare',
  percent: number,
  looks: number,
  next: (seen: Evidence, random: () => number) => Evidence,
): number {
  const random = seededRandom(`${test} at ${percent}`);
  const alarms = Array.from({ length: runs }, () => {
    let seen = empty;
    for (let look = 0; look < looks; look += 1) {
      seen = next(seen, random);
      const value = measure(seen, gates, percent)[test];
      if (value !== null && isReached(value)) return true;
    }
    return false;
  });
  return alarms.filter(Boolean).length;
}

/** One request to either arm, by the split, which fails at its arm's rate. */
function request(percent: number, canaryFails: number, baselineFails: number) {
  return (seen: Evidence, random: () => number): Evidence => {
    const { canary, baseline } = seen;
    if (random() * 100 < percent) {
      return { ...seen, canary: arm(canary.turns + 1, canary.failures + Number(random() < canaryFails)) };
    }
    return { ...seen, baseline: arm(baseline.turns + 1, baseline.failures + Number(random() < baselineFails)) };
  };
}

describe('the test against the baseline', () => {
  it.each([
    { percent: 10, rate: 0.15 },
    { percent: 50, rate: 0.15 },
    { percent: 75, rate: 0.02 },
  ])('raises few false alarms at $percent% when both arms fail at $rate', ({ percent, rate }) => {
    expect(countAlarms('worse', percent, 600, request(percent, rate, rate))).toBeLessThanOrEqual(mostAlarms);
  });

  it('ignores an incident that hits both arms alike', () => {
    const incident = (seen: Evidence, random: () => number) => {
      const during = seen.canary.turns + seen.baseline.turns > 200;
      return request(25, during ? 0.6 : 0.01, during ? 0.6 : 0.01)(seen, random);
    };
    expect(countAlarms('worse', 25, 400, incident)).toBeLessThanOrEqual(mostAlarms);
  });

  it('detects a canary that fails four times as often', () => {
    expect(countAlarms('worse', 25, 1500, request(25, 0.2, 0.05))).toBeGreaterThan(runs * 0.99);
  });

  it('reports nothing without a baseline to compare with', () => {
    expect(measure({ ...empty, canary: arm(500, 400) }, gates, 50).worse.value).toBe(0);
  });
});

describe('the latency guard', () => {
  const timed = (slowShare: number) => (seen: Evidence, random: () => number) => ({
    ...seen,
    baseline: arm(1000, 100),
    canaryTimedCalls: seen.canaryTimedCalls + 1,
    canarySlowCalls: seen.canarySlowCalls + Number(random() < slowShare),
  });

  it('raises few false alarms when 5% of calls pass the limit', () => {
    expect(countAlarms('slower', 50, 800, timed(0.05))).toBeLessThanOrEqual(mostAlarms);
  });

  it('detects a canary of which 15% of calls do', () => {
    expect(countAlarms('slower', 50, 1000, timed(0.15))).toBeGreaterThan(runs * 0.99);
  });

  it('raises few false alarms against the measured p95 of an equally fast baseline', () => {
    const random = seededRandom('p95');
    const draw = (): number => sampleLatencyMs({ kind: 'lognormal', meanMs: 180, p95Ms: 400 }, random(), random());
    const alarms = Array.from({ length: 200 }, () => {
      const baseline: number[] = [];
      const canary: number[] = [];
      for (let look = 0; look < 12; look += 1) {
        baseline.push(...Array.from({ length: 150 }, draw));
        canary.push(...Array.from({ length: 450 }, draw));
        const latencyP95Ms = baseline.toSorted((a, b) => a - b)[Math.ceil(baseline.length * 0.95) - 1] ?? 0;
        const canarySlowCalls = canary.filter((ms) => ms > latencyP95Ms * 1.1).length;
        const seen = { ...empty, baseline: arm(baseline.length, 0, { latencyP95Ms }), canarySlowCalls };
        const { slower } = measure({ ...seen, canaryTimedCalls: canary.length }, gates, 75);
        if (slower !== null && isReached(slower)) return true;
      }
      return false;
    });
    expect(alarms.filter(Boolean).length).toBeLessThanOrEqual(200 * beta + 4 * Math.sqrt(200 * beta));
  });

  it.each([
    ['nobody asks for it', good, { ...gates, maxLatencyPercent: null }],
    ['the baseline has had few requests', { ...good, baseline: arm(299, 0) }, gates],
    ['no call of the baseline was timed', { ...good, baseline: arm(9000, 9000, { latencyP95Ms: null }) }, gates],
  ])('reports nothing if %s', (_, seen, itsGates) => {
    expect(measure({ ...seen, canarySlowCalls: 900 }, itsGates, 10).slower).toBeNull();
  });
});

describe('the test of the split', () => {
  const user = (percent: number) => request(percent, 0, 0);

  it.each([1, 10, 50, 99])('raises few false alarms at %d%%', (percent) => {
    expect(countAlarms('wrongShare', percent, 500, user(percent))).toBeLessThanOrEqual(mostAlarms);
  });

  it('detects a split that sends 20% of users instead of 10%', () => {
    expect(countAlarms('wrongShare', 10, 1000, user(20))).toBeGreaterThan(runs * 0.99);
  });

  it.each([
    [0, 0],
    [1, 30],
    [31, 32],
    [33, 250],
    [700, 5000],
  ])('is exact to ten digits for %d and %d users', (canaryUsers, baselineUsers) => {
    const logFactorial = (n: number) =>
      Array.from({ length: n }, (__, i) => Math.log(i + 1)).reduce((a, b) => a + b, 0);
    const expected =
      logFactorial(canaryUsers) +
      logFactorial(baselineUsers) -
      logFactorial(canaryUsers + baselineUsers + 1) -
      canaryUsers * Math.log(0.25) -
      baselineUsers * Math.log(0.75);
    const { value } = measure(
      { ...good, canary: arm(0, 0, { users: canaryUsers }), baseline: arm(0, 0, { users: baselineUsers }) },
      gates,
      25,
    ).wrongShare;
    expect(Math.abs(value - expected)).toBeLessThan(1e-10 * Math.max(1, logFactorial(canaryUsers + baselineUsers)));
  });

  it('reports nothing if all users should be on one arm', () => {
    expect(measure({ ...good, canary: arm(10, 0), baseline: arm(500, 0) }, gates, 100).wrongShare.value).toBe(0);
  });
});

describe('one API key', () => {
  const rollout = new Rollout();
  const evidenceWith = (requests: number, changes: Partial<Evidence> = {}) =>
    provenAt(rollout.state, startedAtMs + hourMs, { canaryLargestKey: { keyId: 'k1', requests }, ...changes });

  test('that sent most of the canary’s requests is told with its share', () => {
    expect(oneKeyFinding(rollout.spec, evidenceWith(501))).toBe(
      '501 of the 1000 requests of holysheep in this bake (50.1%) come from one API key, k1: the evidence is mostly about its traffic.',
    );
  });

  test('that sent half of them, or most of too few to say anything, is not', () => {
    expect(oneKeyFinding(rollout.spec, evidenceWith(500))).toBeNull();
    expect(oneKeyFinding(rollout.spec, evidenceWith(4, { canary: arm(5, 0) }))).toBeNull();
    const { canaryLargestKey: _key, ...older } = evidenceWith(501);
    expect(oneKeyFinding(rollout.spec, older)).toBeNull();
  });

  test('decides nothing: recorded decisions come out the same', () => {
    const { canaryLargestKey: _key, ...older } = evidenceWith(1_000);
    const decide = (evidence: Evidence) =>
      advanceRollout(rollout.spec, rollout.state, { atMs: startedAtMs + hourMs, evidence, command: null });
    expect(decide(evidenceWith(1_000))).toEqual(decide(older));
  });
});

describe('the cost guard', () => {
  const costOf = (changes: Partial<Evidence>, itsGates: Partial<RolloutGates> = {}): Measures['cost'] =>
    measure({ ...good, ...changes }, { ...gates, ...itsGates }, 10).cost;

  const canary = arm(1000, 500, { costNanoUsd: 5_000_000 });
  const baseline = arm(1000, 200, { costNanoUsd: 4_000_000 });

  it.each([
    { maxCostPercent: 110, maxCostNanoUsdPerSuccess: null, limit: 5500 },
    { maxCostPercent: null, maxCostNanoUsdPerSuccess: 7000, limit: 7000 },
    { maxCostPercent: 110, maxCostNanoUsdPerSuccess: 7000, limit: 5500 },
    { maxCostPercent: 110, maxCostNanoUsdPerSuccess: 4000, limit: 4000 },
  ])(
    'compares the cost per successful turn, retries included, with the stricter limit: %j',
    ({ limit, ...itsGates }) => {
      const cost = costOf({ canary, baseline }, itsGates);
      expect(cost?.perSuccess).toBe(10_000);
      expect(cost?.limit).toBeCloseTo(limit, 6);
    },
  );

  it('accepts arms of equal cost, whichever is slightly more expensive by chance', () => {
    const slightlyDearer = arm(1000, 0, { costNanoUsd: 1_090_000 });
    const rollout = new Rollout();
    expect(rollout.look(18, { canary: slightlyDearer, baseline: arm(9000, 0) }).action).toBe('advance');
  });

  it('reports nothing without a limit or with fewer than 300 successful turns', () => {
    expect(costOf({}, { maxCostPercent: null })).toBeNull();
    expect(costOf({ canary: arm(299, 0) }, { maxCostNanoUsdPerSuccess: 1 })).toBeNull();
    expect(costOf({ baseline: arm(299, 0) })).toBeNull();
  });
});
