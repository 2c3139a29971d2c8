import type { RolloutState } from '../../../src/contract/rollout';
import type { UserEvidence, UserTally } from '../../../src/contract/user-evidence';
import { advanceRollout } from '../../../src/domain/rollout/advance-rollout';
import { randomOfRun, RareEvents } from '../../../src/domain/rollout/simulate-draws';
import { SimulatedEvidence } from '../../../src/domain/rollout/simulate-evidence';
import { type SimulatedTraffic, simulatedTrafficProblem } from '../../../src/domain/rollout/simulate-traffic';
import { followRollout, type SimulatedRun, simulateRun } from '../../../src/domain/rollout/simulate-users';
import { simulatedSpec } from '../../../src/operator/simulation';
import { alike, hourMs, minuteMs, reachedIn, simulate, worseBy } from './simulated-traffic';

const spec = simulatedSpec('72h', 20 * minuteMs);

function evidenceOf(traffic: SimulatedTraffic, seed: string): SimulatedEvidence {
  return new SimulatedEvidence(traffic, spec.gates, randomOfRun(seed, 0));
}

/** The state in which the rollout begins, with a split that suits the test. */
function begun(percent = 10): RolloutState {
  const state = advanceRollout(spec, null, { atMs: 0, evidence: null, command: null }).next;
  return { ...state, percent, reached: [{ percent, startedAtMs: 0, because: 'the test' }] };
}

// More, and with 10,000 runs each: simulate-users.long.test.ts.
describe('rollouts of 72 hours with 2,000 new users an hour', () => {
  it('are promoted in time if the arms are alike at 99.7%, with all guards on', async () => {
    const summary = await simulate(alike(), { runs: 150, intervalMs: hourMs });
    expect(summary.evidenceInTime).toBe(1);
    // 97% are promised; fewer than 93% of 150 come of that once in 100 times.
    expect(summary.promoted).toBeGreaterThanOrEqual(0.93);
    expect(summary.promotedAfterMedianMs).toBe(72 * hourMs);
  });

  it.each([
    ['have one request', {}, 1],
    ['often fail, 2% of them', { oftenFail: 0.02 }, 8],
    ['always fail, 1% of them', { alwaysFail: 0.01 }, 25],
  ])('never advance at 99% if users %s', async (_, trouble, requests) => {
    const requestsPerUser = [{ value: requests, share: 1 }];
    const traffic = alike({ alwaysFail: 0, requestsPerUser, ...trouble }, { successRate: 0.99 });
    expect(await simulate(traffic, { runs: 60, intervalMs: hourMs })).toMatchObject({ everAdvanced: 0, promoted: 0 });
  });

  it('never leave 10% at 98%, and are held', async () => {
    const traffic = worseBy({ successRate: 0.98 }, alike({}, { successRate: 0.85 }));
    expect(await simulate(traffic, { runs: 60, intervalMs: hourMs })).toMatchObject({ everAdvanced: 0, held: 1 });
  });

  it.each([0.997, 0.85])(
    'are rolled back within two analyses if the canary fails everything and the baseline is at %d',
    async (successRate) => {
      const traffic = worseBy({ successRate: 0 }, alike({ alwaysFail: 0 }, { successRate }));
      const { rolledBack, alarms } = await simulate(traffic, { runs: 100, intervalMs: 5 * minuteMs });
      expect(rolledBack).toBe(1);
      const rollBack = alarms.find(({ measure }) => measure === 'worse');
      expect(rollBack?.afterMedianMs).toBeLessThanOrEqual(10 * minuteMs);
    },
  );

  it('are held if twice as many answers are empty', async () => {
    const flags = [{ flag: 'empty', share: 0.1 } as const];
    const summary = await simulate(worseBy({ flags }), { runs: 30, intervalMs: hourMs });
    expect(summary).toMatchObject({ held: 1, everAdvanced: 0 });
    expect(reachedIn(summary, 'empty')).toBe(1);
  });

  it('are never rolled back by an incident that hits both arms', async () => {
    const incidents = [{ fromMs: 8 * hourMs, toMs: 9 * hourMs, failing: 0.5 }];
    expect(await simulate(alike({ incidents }), { runs: 60 })).toMatchObject({
      rolledBack: 0,
      everAdvanced: 0,
      held: 1,
    });
  });

  it('cannot be promoted on what 40 users do, however much they do', async () => {
    const traffic = alike({ usersPerHour: 40, users: 40, requestsPerUser: [{ value: 50, share: 1 }], alwaysFail: 0 });
    expect(await simulate(traffic, { runs: 20, intervalMs: hourMs })).toMatchObject({ evidence: 0, everAdvanced: 0 });
  });
});

/** A run in which these users join the canary of every bake, an hour after its start. */
function runWith(add: (canary: UserTally) => UserTally, closed: UserEvidence['closed'], seed: string): SimulatedRun {
  const evidence = evidenceOf(alike(), seed);
  return followRollout(spec, {
    at(atMs, state) {
      const seen = evidence.at(atMs, state);
      if (atMs < state.bakeStartedAtMs + hourMs) return seen;
      return {
        ...seen,
        closed: [...seen.closed, ...closed],
        canary: add(seen.canary),
        languages: seen.languages.map((tally) => ({ ...tally, canary: add(tally.canary) })),
      };
    },
  });
}

describe('users who mean harm', () => {
  const quiet = runWith((canary) => canary, [], 'quiet');

  it('move nothing with 1,000 failures of one user', () => {
    const run = runWith(
      (canary) => ({
        ...canary,
        users: canary.users + 1,
        firstCalls: canary.firstCalls + 1,
        firstCallFaults: canary.firstCallFaults + 1,
        faultyUsers: canary.faultyUsers + 1,
        faults: canary.faults + 50,
      }),
      // The gates count 50 of them.
      [{ calls: 50, failed: 50, users: 1 }],
      'quiet',
    );
    expect(run).toMatchObject({ end: 'promoted', decidedAfterMs: 72 * hourMs, alarms: [] });
    expect(quiet).toMatchObject({ end: 'promoted', decidedAfterMs: 72 * hourMs, alarms: [] });
  });

  it('move nothing but the measure of declined requests with 25 malformed ones, each of a chosen user', () => {
    const run = runWith(
      (canary) => ({ ...canary, users: canary.users + 25, declinedUsers: canary.declinedUsers + 25 }),
      [],
      'quiet',
    );
    expect(run.end).toBe('held');
    expect(run.alarms.map(({ measure }) => measure)).toContain('declined');
    for (const { measure } of run.alarms) expect(measure).toMatch(/^declined/);
    expect(run.evidenceAfterMs).toBe(quiet.evidenceAfterMs);
  });
});

describe('simulated evidence', () => {
  it('has languages that add up to the arms, and each arm its share of users', () => {
    const languages = [
      { language: 'en', share: 0.6 },
      { language: 'zh', share: 0.4 },
    ];
    const evidence = evidenceOf(alike({ languages }), 'languages');
    let seen: UserEvidence | undefined;
    for (let atMs = hourMs; atMs <= 10 * hourMs; atMs += hourMs) seen = evidence.at(atMs, begun(25));
    const { canary, baseline, languages: tallies } = seen!;
    expect(canary.users + baseline.users).toBe(20_000);
    expect(canary.users / 20_000).toBeCloseTo(0.25, 1);
    for (const field of ['users', 'faultyUsers', 'slowUsers', 'declinedUsers', 'successes'] as const) {
      expect(tallies.reduce((sum, tally) => sum + tally.canary[field], 0)).toBe(canary[field]);
    }
    expect(tallies.reduce((sum, tally) => sum + (tally.baseline.flaggedUsers.empty ?? 0), 0)).toBe(
      baseline.flaggedUsers.empty,
    );
    expect(tallies.reduce((sum, tally) => sum + tally.baseline.cost.users, 0)).toBe(baseline.cost.users);
  });

  it('closes a user once the window and the longest call are over, and never twice', () => {
    const evidence = evidenceOf(alike(), 'closing');
    const closedAt = (atMs: number): number =>
      evidence.at(atMs, begun()).closed.reduce((sum, { users }) => sum + users, 0);
    expect(closedAt(hourMs)).toBe(0);
    const canaryUsers = evidence.at(hourMs, begun()).canary.users;
    expect(closedAt(hourMs + 69 * minuteMs)).toBe(0);
    expect(closedAt(hourMs + 70 * minuteMs)).toBe(canaryUsers);
    expect(closedAt(hourMs + 71 * minuteMs)).toBe(canaryUsers);
  });

  it('fails as often as the true rate says, however failures are spread over users', () => {
    for (const trouble of [{}, { oftenFail: 0.02 }, { alwaysFail: 0.01 }]) {
      const evidence = evidenceOf(alike({ alwaysFail: 0, ...trouble }, { successRate: 0.99 }), 'rate');
      let seen: UserEvidence | undefined;
      for (let atMs = hourMs; atMs <= 60 * hourMs; atMs += hourMs) seen = evidence.at(atMs, begun(50));
      const { users, failed } = seen!.closed.reduce(
        (sums, closed) => ({
          users: sums.users + closed.users,
          failed: sums.failed + (closed.users * closed.failed) / closed.calls,
        }),
        { users: 0, failed: 0 },
      );
      // Some 58,000 users: four standard deviations of a share of 1% are at most 0.17%.
      expect(Math.abs(failed / users - 0.01)).toBeLessThan(0.0017);
    }
  });

  it('counts users who come again once a bake, and once a rollout for E', () => {
    const evidence = evidenceOf(alike({ usersPerHour: 1000, users: 1000 }), 'again');
    const first = begun(50);
    for (let atMs = hourMs; atMs <= 20 * hourMs; atMs += hourMs) evidence.at(atMs, first);
    const second = { ...first, bake: 2, bakeStartedAtMs: 20 * hourMs };
    let seen: UserEvidence | undefined;
    for (let atMs = 21 * hourMs; atMs <= 40 * hourMs; atMs += hourMs) seen = evidence.at(atMs, second);
    expect(seen!.canary.users + seen!.baseline.users).toBe(1000);
    const closed = seen!.closed.reduce((sum, { users }) => sum + users, 0);
    expect(closed).toBeLessThan(560);
    expect(closed).toBeGreaterThan(440);
  });
});

describe('a simulation', () => {
  it('gives the same run for the same seed and number, whatever ran before', () => {
    const runOf = (seed: string): SimulatedRun => simulateRun(spec, alike(), seed, 2);
    const first = runOf('a');
    expect(runOf('b')).not.toEqual(first);
    expect(runOf('a')).toEqual(first);
  });

  it('draws as many events as binomial chance has', () => {
    const events = new RareEvents(randomOfRun('binomial', 0), 0.03);
    const counts = Array.from({ length: 20_000 }, () => events.countIn(100));
    const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / counts.length;
    expect(mean).toBeCloseTo(3, 1);
    expect(Math.abs(variance - 2.91)).toBeLessThan(0.15);
  });

  it.each([
    [{ alwaysFail: 0.01 }, 'alwaysFail exceed the failures of the baseline: users who always fail'],
    [{ requestsPerUser: [{ value: 1, share: 0.5 }] }, 'requestsPerUser shares must add up to 100%'],
    [{ languages: [{ language: 'en', share: 1.2 }] }, 'languages shares must add up to 100%'],
  ])('refuses traffic that contradicts itself: %j', (changes, told) => {
    const problem = simulatedTrafficProblem(alike(changes));
    expect(`${problem?.path.join('.')} ${problem?.message}`).toContain(told);
  });

  it('refuses a flag in a language that nobody speaks', () => {
    const traffic = alike({}, { flags: [{ flag: 'empty', share: 0.1, language: 'fr' }] });
    expect(simulatedTrafficProblem(traffic)?.message).toBe('names fr, which no user speaks; give it a share');
  });
});
