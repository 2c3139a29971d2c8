import { shownForecast } from '../../src/cli/rollout/start';
import { defaultRolloutGates } from '../../src/domain/rollout/plans';
import {
  forecastAsJson,
  forecastTraffic,
  readTraffic,
  type RecentTraffic,
  usersWithin,
} from '../../src/operator/forecast';
import { buildSpec } from '../../src/operator/new-rollout';
import { usersNeeded } from '../../src/operator/users-needed';
import type { Rollouts } from '../../src/contract/rollout-ledger';

const hourMs = 3_600_000;
const unusedName = (): Promise<string> => Promise.resolve('november');
const defaultSpec = () => buildSpec({ actor: 'ann' }, { unusedName });

/** Two days of traffic in which so many users come for the first time in every hour. */
function newUsers(perHour: number, changes: Partial<RecentTraffic> = {}): RecentTraffic {
  return {
    turnsLastDay: perHour * 24 * 8,
    turnsLastHour: perHour * 8,
    usersLastDay: perHour * 24,
    usersLastHour: perHour,
    basis: 'last 48 hours',
    basisMs: 48 * hourMs,
    turns: perHour * 48 * 8,
    users: perHour * 48,
    usersInEarlierHalf: perHour * 24,
    usersInLaterHalf: perHour * 24,
    ...changes,
  };
}

/** A ledger that knows when which user came, newest last. */
function ledgerOf(turns: readonly { readonly atMs: number; readonly user: string }[]): Rollouts {
  return {
    traffic: (sinceMs: number, untilMs = Number.POSITIVE_INFINITY) => {
      const recent = turns.filter(({ atMs }) => atMs >= sinceMs && atMs < untilMs);
      return Promise.resolve([
        { arm: 'legacy', turns: recent.length, users: new Set(recent.map(({ user }) => user)).size },
      ]);
    },
  } as unknown as Rollouts;
}

describe('the users that evidence needs', () => {
  it('are as many as when the rule is followed user by user', () => {
    const needed = usersNeeded(defaultRolloutGates);
    expect(needed).toMatchObject({ median: 2237, ninetyNinePercent: 5018, method: 'exact' });
    expect(needed.sufficient?.(6111)).toBeCloseTo(0.9991, 4);
    // The shortest path: nobody fails.
    const { fewest } = needed;
    expect(needed.sufficient?.(fewest - 1)).toBe(0);
    expect(needed.sufficient?.(fewest)).toBeCloseTo(0.997 ** fewest, 6);
  });

  it.each([
    [0.998, 1653, 3393],
    [0.996, 3235, 7445],
  ])('follow from the expected rate of %d', (expectedSuccessRate, median, ninetyNinePercent) => {
    expect(usersNeeded({ ...defaultRolloutGates, expectedSuccessRate })).toMatchObject({ median, ninetyNinePercent });
  });

  it('are approximated if they are very many', () => {
    expect(usersNeeded({ ...defaultRolloutGates, expectedSuccessRate: 0.9905 }).method).toBe('approximate');
  });

  it.each([0.5, 0.9, 0.99])('are few for an alpha of %d', (alpha) => {
    expect(usersNeeded({ ...defaultRolloutGates, alpha }).sufficient?.(1_000_000)).toBeCloseTo(1, 3);
  });
});

describe('the forecast of a rollout', () => {
  it.each([
    [500, 'too-few'],
    [1100, 'too-few'],
    [1140, 'enough'],
    [2000, 'enough'],
  ] as const)('says whether %d new users an hour decide the default plan in time', async (perHour, verdict) => {
    const spec = await defaultSpec();
    const forecast = forecastTraffic(spec, newUsers(perHour));
    expect(forecast).toMatchObject({ verdict, usersPerHour: perHour, newUsersPerHour: perHour, ever: Infinity });
    // An hour and ten minutes pass before a user is closed.
    expect(forecast.byLatestAdvance).toBeCloseTo((perHour / 10) * (48 - 7 / 6), 6);
    expect(forecast.usersPerHourNeeded).toBe(1131);
    expect(shownForecast(spec, forecast).at(-1)).toMatch(
      verdict === 'enough' ? /That is enough: it decides in time in 99/ : /That is too few: it decides/,
    );
  });

  it.each([
    // 12,000 in 12 hours at 10 %.
    ['users', { minimumUsers: 12_000 }, {}, 10_000],
    ['requests, of which users have eight', {}, { minimumStepRequests: 96_000 }, 10_000],
    ['requests, of which five of a user count', {}, { minimumStepRequests: 60_000, maxRequestsPerUser: 5 }, 10_000],
  ])('counts the minimum %s of each step', async (_, step, gates, usersPerHourNeeded) => {
    const spec = await defaultSpec();
    const steps = spec.steps.map((planned) => ({ ...planned, ...step }));
    const changed = { ...spec, steps, gates: { ...spec.gates, alpha: 0.5, ...gates } };
    expect(forecastTraffic(changed, newUsers(9_000))).toMatchObject({ usersPerHourNeeded, verdict: 'too-few' });
    expect(forecastTraffic(changed, newUsers(10_000))).toMatchObject({ usersPerHourNeeded, verdict: 'enough' });
  });

  it('tells 40 users with 58,800 turns an hour that they can never decide', async () => {
    const spec = await defaultSpec();
    const nowMs = 100 * hourMs;
    const turns = Array.from({ length: 58_800 }, (_, turn) => ({
      atMs: nowMs - hourMs + (turn * hourMs) / 58_800,
      user: `u${turn % 40}`,
    }));
    const forecast = forecastTraffic(spec, await readTraffic(ledgerOf(turns), nowMs));
    expect(forecast).toMatchObject({ turnsPerHour: 58_800, verdict: 'never', decidesInTime: 0, ever: 4 });
    expect(forecastAsJson(forecast)).toMatchObject({ users_last_hour: 40, canary_users_ever: 4, enough: false });
    expect(shownForecast(spec, forecast).at(-1)).toMatch(
      /This can never decide: Only 4 different users would ever reach the canary in step 1, and it needs at least \d+, however many requests they send/,
    );
  });

  it('tells that all turns come under one user', async () => {
    const spec = await defaultSpec();
    const turns = Array.from({ length: 600 }, (_, turn) => ({ atMs: turn * 6_000, user: 'app' }));
    const forecast = forecastTraffic(spec, await readTraffic(ledgerOf(turns), hourMs));
    expect(shownForecast(spec, forecast).at(-1)).toMatch(
      /This can never decide: All 600 turns \(last hour\) come under one user\. Send each person's own id as "user"/,
    );
  });

  it('knows nothing without traffic', async () => {
    const forecast = forecastTraffic(await defaultSpec(), await readTraffic(ledgerOf([]), hourMs));
    expect(forecast).toMatchObject({ verdict: 'too-few', byLatestAdvance: 0, newUsersPerHour: 0, decidesInTime: 0 });
  });

  it.each([
    ['that grows', [10, 20, 30, 40]],
    ['that began within the period', [0, 30, 40, 40]],
  ])('does not take new users for the same ones in traffic %s', async (_, usersOfQuarters) => {
    const turns = usersOfQuarters.flatMap((count, quarter) =>
      Array.from({ length: count }, (__, user) => ({
        atMs: (quarter + user / count) * 12 * hourMs,
        user: `${quarter} ${user}`,
      })),
    );
    const traffic = await readTraffic(ledgerOf(turns), 48 * hourMs);
    const last = usersOfQuarters.slice(2).reduce((sum, count) => sum + count);
    expect(usersWithin(traffic, 240 * hourMs)).toBeGreaterThan(5 * last);
  });

  it('expects no other users than the few who come again and again, also of a young service', async () => {
    const turns = Array.from({ length: 2_500 }, (_, turn) => ({ atMs: turn * 36_000, user: `user ${turn % 40}` }));
    const traffic = await readTraffic(ledgerOf(turns), 25 * hourMs);
    expect(traffic.basis).toBe('last 24 hours');
    expect(usersWithin(traffic, Infinity)).toBe(40);
  });

  it('expects as many new users as come, of a number of users that comes at random times', () => {
    // 10,000 users, each of whom comes once a day on average.
    const seenIn = (hours: number): number => 10_000 * (1 - Math.exp(-hours / 24));
    const traffic = newUsers(0, {
      users: seenIn(48),
      usersInEarlierHalf: seenIn(24),
      usersInLaterHalf: seenIn(24),
    });
    for (const hours of [1, 12, 72, 200]) expect(usersWithin(traffic, hours * hourMs)).toBeCloseTo(seenIn(hours), 6);
    expect(usersWithin(traffic, Infinity)).toBeCloseTo(10_000, 6);
  });
});
