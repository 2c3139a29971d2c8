import { simulatePlan } from './simulate-plan';

jest.setTimeout(180_000);

const runs = 10_000;

it('2,000 requests an hour promote at least 99.9% of canaries at 99.7%', async () => {
  expect((await simulatePlan(0.997, 2000, runs)).promoted).toBeGreaterThanOrEqual(0.999);
});

it('a canary at 99% advances in at most 0.1% of runs', async () => {
  expect((await simulatePlan(0.99, 2000, runs)).everAdvanced).toBeLessThanOrEqual(0.001);
});

it('a canary at 98% never leaves the first step, and is held', async () => {
  expect(await simulatePlan(0.98, 2000, runs)).toMatchObject({ everAdvanced: 0, promoted: 0, held: 1 });
});
