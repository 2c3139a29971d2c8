import { answerFlags } from '../../../src/contract/user-evidence';
import { formatDuration } from '../../../src/domain/rollout/clock';
import type { SimulationSummary } from '../../../src/operator/simulation';
import { MeasuredShares, percent } from './measured-shares';
import { alike, hourMs, minuteMs, simulate, simulatedRuns, worseBy } from './simulated-traffic';

// Minutes each on a busy machine.
jest.setTimeout(60 * minuteMs);

const runs = simulatedRuns;
const measured = new MeasuredShares();
afterAll(() => measured.print());

describe('a canary at the minimum', () => {
  // As many canary users as the first step of the default plan has in 72 hours, without the cost of the baseline's.
  const steps = [{ percent: 50, nominalEndMs: 72 * hourMs, minimumBakeMs: 12 * hourMs, minimumUsers: 1000 }];
  const traffic = (trouble: Parameters<typeof alike>[0], requests: number) =>
    alike(
      { usersPerHour: 560, alwaysFail: 0, requestsPerUser: [{ value: requests, share: 1 }], ...trouble },
      { successRate: 0.99, flags: [] },
    );

  it.each([
    ['99%, one request a user', {}, 1],
    ['99%, 8 requests a user', {}, 8],
    ['99%, 8 a user, 2% of users fail half', { oftenFail: 0.02 }, 8],
    ['99%, 8 a user, 1% of users always fail', { alwaysFail: 0.01 }, 8],
    ['99%, 25 a user, 1% of users always fail', { alwaysFail: 0.01 }, 25],
    ['99% at the best hour, twice the failures at the worst', { failureDrift: 2 }, 8],
    ['99%, 4,000 users who come again and again', { users: 4000, usersPerHour: 2000 }, 8],
  ])('has evidence in at most 1 of 1,000 rollouts: %s', async (truth, trouble, requests) => {
    const summary = await simulate(traffic(trouble, requests), { runs, intervalMs: hourMs, spec: { steps } });
    measured.expectAtMost(truth, 'E ever', summary.evidence, 0.001, runs);
    measured.expectAtMost(truth, 'ever advanced', summary.everAdvanced, 0.001, runs);
  });
});

describe('a canary that is worse', () => {
  it('never leaves 10% at 98%', async () => {
    const traffic = worseBy({ successRate: 0.98 }, alike({ alwaysFail: 0 }, { successRate: 0.85, flags: [] }));
    const summary = await simulate(traffic, { runs: runs / 5, intervalMs: hourMs });
    measured.tell('98%, baseline 85%', 'ever above 10%', summary.everAdvanced, '0');
    expect(summary).toMatchObject({ everAdvanced: 0, held: 1 });
  });

  it.each([0.997, 0.85])('is rolled back within two analyses if it fails everything: baseline at %d', async (rate) => {
    const traffic = worseBy({ successRate: 0 }, alike({ alwaysFail: 0 }, { successRate: rate, flags: [] }));
    const summary = await simulate(traffic, { runs: runs / 5, intervalMs: 5 * minuteMs });
    measured.tell(`0%, baseline ${percent(rate)}`, 'rolled back', summary.rolledBack, '100%');
    expect(summary.rolledBack).toBe(1);
    expect(summary.alarms.every(({ afterMedianMs }) => afterMedianMs <= 10 * minuteMs)).toBe(true);
  });

  it.each([...answerFlags.map((flag) => [flag, 0.05] as const), ...answerFlags.map((flag) => [flag, 0.01] as const)])(
    'is held if it has twice the share of %s answers, and the baseline %d',
    async (flag, share) => {
      const flags = answerFlags.map((name) => ({ flag: name, share }));
      const traffic = worseBy(
        { flags: flags.map((one) => (one.flag === flag ? { flag, share: 2 * share } : one)) },
        alike({}, { flags }),
      );
      const summary = await simulate(traffic, { runs: runs / 100 });
      measured.tell(
        `${flag} ${percent(share)} and ${percent(2 * share)}`,
        usersUntil(summary, flag),
        summary.held,
        '100%',
      );
      expect(summary.held).toBe(1);
    },
  );
});

function usersUntil({ alarms }: SimulationSummary, measure: string): string {
  const alarm = alarms.find((one) => one.measure === measure);
  return alarm
    ? `held; median of ${alarm.canaryUsersMedian} canary users, ${formatDuration(alarm.afterMedianMs)}`
    : 'held';
}
