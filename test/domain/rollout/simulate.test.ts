import { simulateRuns, summariseRuns } from '../../../src/operator/simulation';
import { simulateRollout } from '../../../src/domain/rollout/simulate';
import { seededRandom } from '../../../src/domain/random';
import { hourlySpec as spec, simulatePlan } from './simulate-plan';

describe('simulated over the 72-hour plan', () => {
  it.each([
    { requestsPerHour: 500, promoted: 0.74 },
    { requestsPerHour: 1000, promoted: 0.986 },
  ])(
    '$requestsPerHour requests an hour promote a 99.7% canary in $promoted of runs',
    async ({ requestsPerHour, promoted }) => {
      const runs = 2_000;
      const summary = await simulatePlan(0.997, requestsPerHour, runs);
      // Four standard deviations, and what rounding hides.
      const tolerance = 4 * Math.sqrt((promoted * (1 - promoted)) / runs) + 0.005;
      expect(Math.abs(summary.promoted - promoted)).toBeLessThan(tolerance);
    },
  );

  // The same with 10,000 runs each: simulate.long.test.ts.
  it('2,000 requests an hour promote at least 99.9% of canaries at 99.7%', async () => {
    expect((await simulatePlan(0.997, 2000, 1_000)).promoted).toBeGreaterThanOrEqual(0.999);
  });

  it('a canary at 99% advances in at most 0.1% of runs', async () => {
    expect((await simulatePlan(0.99, 2000, 1_000)).everAdvanced).toBeLessThanOrEqual(0.001);
  });

  it('a canary at 98% never leaves the first step, and is held', async () => {
    expect(await simulatePlan(0.98, 2000, 300)).toMatchObject({ everAdvanced: 0, promoted: 0, held: 1 });
  });
});

it('the same seed gives the same runs, and another seed gives different ones', async () => {
  const options = { spec, canarySuccessRate: 0.997, baselineSuccessRate: 0.85, requestsPerHour: 500 };
  const run = (seed: string) => simulateRuns(options, 200, seed, () => undefined);
  expect(await run('a')).toEqual(await run('a'));
  expect(await run('b')).not.toEqual(await run('a'));
});

it('a run that ends in a breach is rolled back if the baseline does better', () => {
  const options = { spec, canarySuccessRate: 0.9, baselineSuccessRate: 0.999, requestsPerHour: 2000 };
  const random = seededRandom('breach');
  const outcomes = Array.from({ length: 100 }, () => simulateRollout(options, random));
  expect(summariseRuns(outcomes)).toMatchObject({ rolledBack: 1, everAdvanced: 0, promotedAfterMedianMs: null });
});
