import { expectBlindHours, goodCanary, steps, virtualRollouts } from './virtual-rollout';
import { rolloutResult } from '../support/rollout-result';

/** Each test takes some hundred decisions. */
jest.setTimeout(180_000);

const createRollout = virtualRollouts();

test('a canary that succeeds 98% of the time never leaves 10%, and is held rather than rolled back to a worse arm', async () => {
  const rollout = await createRollout({ ...goodCanary, canarySuccessRate: 0.98, seed: 'a poor canary' });
  const worker = await rollout.worker();
  await worker.runUntil(async () => {
    await rollout.start();
    await rollout.environment.sleep('100.5 hours');
    const { state } = await rollout.status();
    expect(state).toMatchObject({ phase: 'Held', percent: 10 });
    expect(steps(state)).toEqual([[10, 0]]);
    await rollout.handle.signal('rollback', { actor: 'ann', reason: 'not good enough' });
    expect(await rolloutResult(rollout.handle)).toMatchObject({ phase: 'RolledBack' });
  });
  expect(await rollout.ledger.rollouts.split()).toMatchObject({ percent: 0, active: false });
});

test.each([
  [
    1,
    { fromHours: 10, toHours: 40 },
    [
      [10, 0],
      [25, 40],
      [50, 46],
      [75, 60],
      [100, 72],
    ],
  ],
  [
    3,
    { fromHours: 40, toHours: 65 },
    [
      [10, 0],
      [25, 18],
      [50, 30],
      [75, 65],
      [100, 72],
    ],
  ],
])('while the telemetry is down at step %i nothing advances', async (_step, outage, expected) => {
  const rollout = await createRollout(goodCanary);
  await expectBlindHours(rollout, outage, expected as [number, number][]);
});

test('telemetry that is down when the plan ends holds the rollout, until an operator resumes it', async () => {
  const rollout = await createRollout(goodCanary);
  rollout.outages = [{ fromHours: 61, toHours: 80 }];
  const worker = await rollout.worker();
  await worker.runUntil(async () => {
    await rollout.start();
    await rollout.environment.sleep('90.5 hours');
    const { state } = await rollout.status();
    expect(state).toMatchObject({ phase: 'Held', percent: 75 });
    await rollout.handle.signal('resume', { actor: 'ann', reason: 'the telemetry is back' });
    const result = await rolloutResult(rollout.handle);
    expect(steps(result).slice(3)).toEqual([
      [75, 60],
      [100, 91],
    ]);
  });
});
