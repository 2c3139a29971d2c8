import { answerFlags } from '../../../src/contract/user-evidence';
import { MeasuredShares } from './measured-shares';
import { alike, hourMs, minuteMs, reachedIn, simulate, simulatedRuns, withinSamplingError } from './simulated-traffic';

// Minutes each on a busy machine.
jest.setTimeout(60 * minuteMs);

const runs = simulatedRuns;
const measured = new MeasuredShares();
afterAll(() => measured.print());

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
    const summary = await simulate(alike({ languages }), {
      runs,
      intervalMs: hourMs,
      spec: { languages: ['zh', 'th'] },
    });
    // With those of each language.
    for (const [name, measure, bound] of guardBounds) {
      measured.expectAtMost(truth, name, reachedIn(summary, measure), bound, runs);
    }
    measured.tell(truth, 'E in time', summary.evidenceInTime, '≥ 99.9%');
    measured.tell(truth, 'promoted by 72 h', summary.promoted, '≥ 97%');
    expect(1 - summary.evidenceInTime).toBeLessThanOrEqual(withinSamplingError(0.001, runs));
    expect(1 - summary.promoted).toBeLessThanOrEqual(withinSamplingError(0.03, runs));
    expect(summary.rolledBack).toBe(0);
  });

  it('at 85%, clustered, are rolled back in at most 1 of 1,000 rollouts', async () => {
    const traffic = alike({ alwaysFail: 0.05 }, { successRate: 0.85, flags: [] });
    const summary = await simulate(traffic, { runs, intervalMs: hourMs });
    measured.expectAtMost('85%, alike, 5% of users always fail', 'rolled back', summary.rolledBack, 0.001, runs);
    measured.expectAtMost('85%, alike, 5% of users always fail', 'worse', reachedIn(summary, 'worse'), 0.001, runs);
  });

  it.each([
    ['half of all requests fail for an hour', { fromMs: 8 * hourMs, toMs: 9 * hourMs, failing: 0.5 }],
    ['everything fails for 20 minutes', { fromMs: 20 * hourMs, toMs: 20 * hourMs + 20 * minuteMs, failing: 1 }],
    ['a tenth fails for six hours', { fromMs: 30 * hourMs, toMs: 36 * hourMs, failing: 0.1 }],
  ])('are not rolled back by an incident: %s', async (told, incident) => {
    const truth = `99.7%, alike; ${told} on both arms`;
    const summary = await simulate(alike({ incidents: [incident] }), { runs: runs / 5 });
    measured.expectAtMost(truth, 'rolled back', summary.rolledBack, 0.001, runs / 5);
    measured.tell(truth, 'held', summary.held, '');
    measured.tell(truth, 'promoted by 72 h', summary.promoted, '');
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
    measured.expectAtMost(
      `arms alike, costs spread by ${told}`,
      'cost above 100%',
      reachedIn(summary, 'cost'),
      0.02,
      runs,
    );
  });
});
