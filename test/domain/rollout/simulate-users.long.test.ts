import { answerFlags } from '../../../src/contract/user-evidence';
import type { SimulationSummary } from '../../../src/operator/simulation';
import { renderTable } from '../../../src/terminal/output';
import { alike, hourMs, minuteMs, reachedIn, simulate, withinSamplingError, worseBy } from './simulated-traffic';

jest.setTimeout(60 * minuteMs);

const runs = 10_000;
const percent = (share: number): string => `${(share * 100).toFixed(2)}%`;

/** What was measured, told when all is done: the tables of docs/rollout.md come from here. */
const measured: string[][] = [];
function tell(truth: string, what: string, share: number, bound: string): void {
  measured.push([truth, what, percent(share), bound]);
}
afterAll(() => {
  const columns = ['Truth', 'Measured', 'Share of runs', 'Bound'].map((title) => ({ title }));
  process.stdout.write(`${renderTable(columns, measured, false)}\n`);
});

function expectAtMost(truth: string, what: string, share: number, bound: number, of = runs): void {
  tell(truth, what, share, `≤ ${percent(bound)}`);
  expect(share).toBeLessThanOrEqual(withinSamplingError(bound, of));
}

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
    ['99%, traffic that halves at night', { trafficSwing: 0.5, oftenFail: 0.02 }, 8],
    ['99%, 4,000 users who come again and again', { users: 4000, usersPerHour: 2000 }, 8],
  ])('has evidence in at most 1 of 1,000 rollouts: %s', async (truth, trouble, requests) => {
    const summary = await simulate(traffic(trouble, requests), { runs, spec: { steps } });
    expectAtMost(truth, 'E ever', summary.evidence, 0.001);
    expect(summary.everAdvanced).toBe(0);
  });
});

describe('arms alike', () => {
  const languages = [
    { language: 'en', share: 0.6 },
    { language: 'zh', share: 0.3 },
    { language: 'th', share: 0.1 },
  ];
  const guardBounds = [
    ['worse', /^worse/, 0.001],
    ['wrong share', 'wrongShare', 0.001],
    ['declined', /^declined/, 0.001],
    ['slower', 'slower', 0.001],
    ['slower to speak', 'slowerToSpeak', 0.001],
    ['flags', new RegExp(`^(${answerFlags.join('|')})`), 0.005],
    ['feedback', /^feedback/, 0.005],
    ['cost', 'cost', 0.02],
  ] as const;

  it('at 99.7% with three languages raise no guard above its bound, and are promoted in time', async () => {
    const truth = '99.7%, alike, 0.3% of users always fail, 5% flags';
    const summary = await simulate(alike({ languages }), { runs, spec: { languages: ['zh', 'th'] } });
    // Measures of one language have a share of their own of the same bound again.
    for (const [name, measure, bound] of guardBounds) {
      expectAtMost(truth, name, reachedIn(summary, measure), measure instanceof RegExp ? 2 * bound : bound);
    }
    tell(truth, 'E in time', summary.evidenceInTime, '≥ 99.90%');
    tell(truth, 'promoted by 72 h', summary.promoted, '≥ 97.00%');
    expect(1 - summary.evidenceInTime).toBeLessThanOrEqual(withinSamplingError(0.001, runs));
    expect(1 - summary.promoted).toBeLessThanOrEqual(withinSamplingError(0.03, runs));
    expect(summary.rolledBack).toBe(0);
  });

  it('at 85%, clustered, are rolled back in at most 1 of 1,000 rollouts', async () => {
    const traffic = alike({ alwaysFail: 0.05 }, { successRate: 0.85, flags: [] });
    const summary = await simulate(traffic, { runs, intervalMs: hourMs });
    expectAtMost('85%, alike, 5% of users always fail', 'rolled back', summary.rolledBack, 0.001);
    expectAtMost('85%, alike, 5% of users always fail', 'worse', reachedIn(summary, 'worse'), 0.001);
  });

  it.each([
    ['half of all requests fail for an hour', { fromMs: 8 * hourMs, toMs: 9 * hourMs, failing: 0.5 }],
    ['everything fails for 20 minutes', { fromMs: 20 * hourMs, toMs: 20 * hourMs + 20 * minuteMs, failing: 1 }],
    ['a tenth fails for six hours', { fromMs: 30 * hourMs, toMs: 36 * hourMs, failing: 0.1 }],
  ])('are not rolled back by an incident: %s', async (told, incident) => {
    const truth = `99.7%, alike; ${told} on both arms`;
    const summary = await simulate(alike({ incidents: [incident] }), { runs: 2000 });
    expectAtMost(truth, 'rolled back', summary.rolledBack, 0.001, 2000);
    tell(truth, 'held', summary.held, '');
    tell(truth, 'promoted by 72 h', summary.promoted, '');
  });

  it.each([
    ['1 between users, 0.7 between requests', { users: 1, requests: 0.7 }],
    ['1.5 between users, 1 between requests', { users: 1.5, requests: 1 }],
    ['2 between requests', { users: 0, requests: 2 }],
  ])('cost the same and are held for their cost in at most 2%: log-normal with %s', async (told, costSpread) => {
    const requestsPerUser = [
      { value: 1, share: 0.4 },
      { value: 5, share: 0.4 },
      { value: 30, share: 0.2 },
    ];
    const traffic = alike({ costSpread, requestsPerUser }, { flags: [] });
    // Without the room of 10% that the gates leave, the guard's null hypothesis is exactly true.
    const summary = await simulate(traffic, { runs, intervalMs: hourMs, gates: { maxCostPercent: 100 } });
    expectAtMost(`arms alike, costs spread by ${told}`, 'cost above 100%', reachedIn(summary, 'cost'), 0.02);
  });
});

describe('a canary that is worse', () => {
  it('never leaves 10% at 98%', async () => {
    const traffic = worseBy({ successRate: 0.98 }, alike({ alwaysFail: 0 }, { successRate: 0.85, flags: [] }));
    const summary = await simulate(traffic, { runs: 2000, intervalMs: hourMs });
    tell('98%, baseline 85%', 'ever above 10%', summary.everAdvanced, '0');
    expect(summary).toMatchObject({ everAdvanced: 0, held: 1 });
  });

  it.each([0.997, 0.85])('is rolled back within two analyses if it fails everything: baseline at %d', async (rate) => {
    const traffic = worseBy({ successRate: 0 }, alike({ alwaysFail: 0 }, { successRate: rate, flags: [] }));
    const summary = await simulate(traffic, { runs: 2000, intervalMs: 5 * minuteMs });
    tell(`0%, baseline ${percent(rate)}`, 'rolled back', summary.rolledBack, '100%');
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
      const summary = await simulate(traffic, { runs: 100 });
      tell(`${flag} ${percent(share)} and ${percent(2 * share)}`, usersUntil(summary, flag), summary.held, '100%');
      expect(summary.held).toBe(1);
    },
  );
});

function usersUntil({ alarms }: SimulationSummary, measure: string): string {
  const alarm = alarms.find((one) => one.measure === measure);
  return alarm ? `held; median of ${alarm.canaryUsersMedian} canary users, ${alarm.afterMedianMs / hourMs} h` : 'held';
}
