import { simulatedSpec, simulateRuns } from '../../src/operator/simulation';
import { alike, hourMs, worseBy } from '../domain/rollout/simulated-traffic';
import { CliWorkspace } from './run-cli';

const workspace = new CliWorkspace();
afterAll(() => workspace.remove());

const simulate = (...options: string[]) => workspace.run(['rollout', 'simulate', ...options]);

it('gives the same runs on all cores as on one', async () => {
  const options = [
    '--runs',
    '6',
    '--interval',
    '1h',
    '--success-rate',
    '98%',
    '--flag',
    'empty=1%:2%',
    '--seed',
    'cores',
  ];
  const { stdout, stderr, status } = await workspace.spawn(['rollout', 'simulate', ...options, '--json']);
  expect({ status, stderr }).toMatchObject({
    status: 0,
    stderr: expect.stringContaining('Simulated 6 runs') as string,
  });

  const flags = [{ flag: 'empty', share: 0.01 }] as const;
  const baseline = alike({ alwaysFail: 0, languages: [{ language: 'und', share: 1 }] }, { successRate: 0.85, flags });
  const traffic = worseBy({ successRate: 0.98, flags: [{ flag: 'empty', share: 0.02 }] }, baseline);
  const spec = simulatedSpec('72h', hourMs);
  const summary = await simulateRuns({ spec, traffic, seed: 'cores', runs: 6 }, 1, () => undefined);
  const { cases } = JSON.parse(stdout) as { cases: object[] };
  expect(cases).toEqual([
    {
      success_rate: 0.98,
      runs: 6,
      evidence: summary.evidence,
      evidence_in_time: summary.evidenceInTime,
      promoted: 0,
      rolled_back: 0,
      held: 1,
      late: 0,
      ever_advanced: summary.everAdvanced,
      promoted_after_median_ms: null,
      promoted_after_p95_ms: null,
      reached: summary.alarms.map((alarm) => ({
        measure: alarm.measure,
        share: alarm.share,
        canary_users_median: alarm.canaryUsersMedian,
        after_median_ms: alarm.afterMedianMs,
      })),
    },
  ]);
});

it('says what became of the runs, and what spoke against the canary', async () => {
  const { stdout, status } = await simulate(
    ...['--runs', '1', '--success-rate', '99.7%', '--baseline-success-rate', '99.7%', '--language', 'zh=30%'],
    ...['--declared', 'zh', '--flag', 'wrong-language/zh=1%:50%', '--incident', '40h:1h:5%', '--interval', '1h'],
  );
  expect(status).toBe(0);
  expect(stdout).toMatch(/^Plan 72h, an analysis every 1 h, 2,000 users an hour, baseline at 99\.7%$/m);
  expect(stdout).toMatch(/^ +99\.7% +100% +0% +0% +100% +0% +0%$/m);
  expect(stdout).toMatch(/^ +99\.7% +wrong-language in zh +100% +\d+ +\d+ h$/m);
});

it.each([
  [['--flag', 'nonsense=1%'], /--flag .*'nonsense=1%' is not a flag with its share of answers\. Use one of empty, /],
  [['--flag', 'empty=1%:2%:3%'], /'1%:2%:3%' has more than two shares\. Use baseline:canary, such as 1%:2%\./],
  [['--flag', 'empty/fr=1%'], /^--flag names fr, which no user speaks; give it a share$/m],
  [['--success-rate', '101%'], /'101%' is not a share\. Use a number from 0 to 1 or a percentage, such as 0\.3%\./],
  [['--language', 'zh=90%', '--language', 'th=20%'], /^--language shares must add up to 100%$/m],
  [
    ['--always-fail', '5%'],
    /^--always-fail, --often-fail exceed the failures of the canary: .* at most 0\.3% at a success rate of 99\.7%$/m,
  ],
  [['--requests-per-user', '1:50%'], /^--requests-per-user shares must add up to 100%$/m],
  [['--incident', '30h:50%'], /'50%' is not a duration/],
  [['--cost-spread', '9:1'], /'9:1' is not a spread\. Use two numbers from 0 to 3, such as 1:0\.7\./],
  [['--users-per-hour', '0'], /'0' is not a whole number from 1 to 1000000\./],
])('refuses %j and says what it takes', async (options, told) => {
  const { status, stderr } = await simulate(...options);
  expect(status).toBe(2);
  expect(stderr).toMatch(told);
});
