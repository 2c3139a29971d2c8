import { canaryRolloutWorkflowType, rolloutWorkflowId } from '../../src/contract/names';
import type { RolloutResult } from '../../src/contract/rollout';
import { asPlanned, expectBlindHours, goodCanary, steps, virtualRollouts } from './virtual-rollout';
import { rolloutResult } from '../support/rollout-result';

/** Each test takes some hundred decisions. */
jest.setTimeout(180_000);

const createRollout = virtualRollouts();

test('a canary that succeeds 99.7% of the time has all traffic after 72 hours, each step at its time', async () => {
  const rollout = await createRollout(goodCanary);
  const worker = await rollout.worker();
  const result = await worker.runUntil(async () => rolloutResult(await rollout.start()));
  expect(result.phase).toBe('Succeeded');
  expect(steps(result)).toEqual(asPlanned);
  expect(await rollout.ledger.rollouts.split()).toMatchObject({ percent: 100, active: false });
  const trail = await rollout.ledger.rollouts.auditTrail(rollout.spec.name);
  expect(trail.filter(({ action }) => action === 'advance')).toHaveLength(4);
  // One row an hour until the baseline was let go, 24 hours after the last step and the milliseconds that it was late.
  const others = trail.filter(({ action }) => action === 'wait' || action === 'finish').length;
  expect([92, 93]).toContain(others);
});

test('a canary that is worse than the baseline is rolled back by itself', async () => {
  const rollout = await createRollout({ ...goodCanary, canarySuccessRate: 0.5, seed: 'a bad canary' });
  const worker = await rollout.worker();
  const result = await worker.runUntil(async () => rolloutResult(await rollout.start()));
  expect(result.phase).toBe('RolledBack');
  expect(result.reason).toContain('fails more often than legacy');
  expect(await rollout.ledger.rollouts.split()).toMatchObject({ percent: 0, active: false });
});

test('it is rolled back too if the ledger’s clock is hours behind: ages are told by one clock', async () => {
  const rollout = await createRollout({ ...goodCanary, canarySuccessRate: 0.5, seed: 'a bad canary' });
  rollout.ledgerBehindMs = 2 * rollout.spec.gates.freshnessMs;
  const worker = await rollout.worker();
  const result = await worker.runUntil(async () => rolloutResult(await rollout.start()));
  expect(result).toMatchObject({ phase: 'RolledBack', reason: expect.stringContaining('fails more often') as string });
});

// At the other steps, and at the end of the plan: canary-rollout-72-hours.long.test.ts.
test('while the telemetry is down at step 2 nothing advances', async () => {
  const rollout = await createRollout(goodCanary);
  await expectBlindHours(rollout, { fromHours: 20, toHours: 50 }, [
    [10, 0],
    [25, 18],
    [50, 50],
    [75, 62],
    [100, 72],
  ]);
});

// The server's clock stands still while a workflow task waits for a worker: so the workflow is taken away as well.
test('hours in which nobody works on the rollout cost no time and repeat no step', async () => {
  const rollout = await createRollout(goodCanary);
  const first = await rollout.worker();
  const carried = await first.runUntil(async () => {
    await rollout.start();
    await rollout.environment.sleep('35.5 hours');
    const { state, lastAnalysis } = await rollout.status();
    await rollout.handle.terminate();
    return { state, lastAnalysis };
  });
  expect(carried.state.percent).toBe(50);
  await rollout.environment.sleep('19.7 hours');

  const second = await rollout.worker();
  const result = await second.runUntil(
    rollout.environment.client.workflow.execute(canaryRolloutWorkflowType, {
      taskQueue: rollout.taskQueue,
      workflowId: rolloutWorkflowId(rollout.spec.name),
      args: [{ spec: rollout.spec, carried }],
    }) as Promise<RolloutResult>,
  );
  expect(steps(result)).toEqual(asPlanned);
  const trail = await rollout.ledger.rollouts.auditTrail(rollout.spec.name);
  expect(trail.map(({ sequence }) => sequence)).toEqual(trail.map((_row, index) => index + 1));
  // An analysis at each hour but the 20 that were missed, one that made up for them, and the start.
  const expected = 1 + 35 + 1 + (96 - 55);
  expect([expected, expected + 1]).toContain(trail.length);
});
