import { canaryRolloutWorkflowType, rolloutWorkflowId } from '../../src/contract/names';
import { RolloutClient } from '../../src/client/rollout-client';
import { RolloutOperator } from '../../src/operator/rollout-operator';
import { prepareRolloutService, type RolloutService } from '../support/rollout-service';
import { unhurriedRolloutSpec } from '../support/rollout-spec';

let service: RolloutService;
beforeEach(async () => {
  service = await prepareRolloutService();
});
afterEach(() => service.stop());

/** Whose callers do not wait long. */
function clientWithin(deadlineMs: number): RolloutClient {
  return new RolloutClient(service.temporal, service.settings.temporal.taskQueue, deadlineMs);
}

test('a start that no worker takes is withdrawn, says so, and can be repeated', async () => {
  const spec = unhurriedRolloutSpec();
  await expect(clientWithin(1_000).start(spec)).rejects.toMatchObject({
    code: 'deadline-exceeded',
    message: expect.stringMatching(/^No worker took rollout .* within 1000 ms, so it was withdrawn/) as string,
  });
  const { status } = await service.temporal.workflow.getHandle(rolloutWorkflowId(spec.name)).describe();
  expect(status.name).toBe('TERMINATED');

  await service.startWorker();
  expect(await service.ledger.rollouts.auditTrail()).toEqual([]);
  expect(await service.rollouts.start(spec)).toMatchObject({ state: { percent: 50 } });
  await service.rollouts.command(spec.name, 'rollback', { actor: 'ann' });
});

test('a start whose caller has gone does not begin when a worker comes later', async () => {
  const spec = unhurriedRolloutSpec();
  const workflow = await service.temporal.workflow.start(canaryRolloutWorkflowType, {
    workflowId: rolloutWorkflowId(spec.name),
    taskQueue: service.settings.temporal.taskQueue,
    args: [{ spec, startWithinMs: 1 }],
  });
  await service.startWorker();
  await expect(workflow.result()).rejects.toMatchObject({
    cause: { type: 'RolloutRefused', message: expect.stringContaining('it will not start') as string },
  });
  expect(await service.ledger.rollouts.split()).toBeNull();
});

test('an operator is told while a start waits for a worker', async () => {
  const operator = new RolloutOperator(
    { rollouts: service.ledger.rollouts, close: () => Promise.resolve() },
    // Longer than an operator waits before it tells.
    () => Promise.resolve(clientWithin(7_000)),
  );
  let told = 0;
  const starting = operator.start(unhurriedRolloutSpec(), () => (told += 1));
  await expect(starting).rejects.toMatchObject({ code: 'deadline-exceeded' });
  expect(told).toBe(1);
});
