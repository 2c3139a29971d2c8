import { RolloutClient } from '../../src/client/rollout-client';
import { rolloutByUsersWorkflowType, rolloutWorkflowId } from '../../src/contract/names';
import { prepareRolloutService, type RolloutService, startInterferedWorker } from '../support/rollout-service';
import { unhurriedRolloutSpec } from '../support/rollout-spec';
import { workflowBundle } from '../support/temporal';

/** The workflows of a version from before rule 2, as far as their names go. */
function olderWorkflows(): { readonly code: string } {
  const { code } = workflowBundle();
  return { code: code.replaceAll(rolloutByUsersWorkflowType, 'unknownRollout') };
}

let service: RolloutService;
const stopWorkers: (() => Promise<void>)[] = [];
beforeEach(async () => {
  service = await prepareRolloutService();
  stopWorkers.push(await startInterferedWorker(service, {}, olderWorkflows()));
});
afterEach(async () => {
  await Promise.all(stopWorkers.splice(0).map((stop) => stop()));
  await service.stop();
});

test('an older worker leaves a rollout by users to newer ones, and nothing begins without them', async () => {
  const spec = unhurriedRolloutSpec({ rule: 2 });
  const client = new RolloutClient(service.temporal, service.settings.temporal.taskQueue, 5_000);
  await expect(client.start(spec)).rejects.toMatchObject({
    code: 'deadline-exceeded',
    message: expect.stringContaining('Start a worker of this version') as string,
  });
  expect(await service.ledger.rollouts.auditTrail()).toEqual([]);

  await stopWorkers.pop()?.();
  stopWorkers.push(await startInterferedWorker(service, {}));
  expect(await service.rollouts.start(spec)).toMatchObject({ state: { percent: 50 } });
  const { type } = await service.temporal.workflow.getHandle(rolloutWorkflowId(spec.name)).describe();
  expect(type).toBe('canaryRolloutByUsers');
  expect(await service.rollouts.command(spec.name, 'rollback', { actor: 'ann' })).toMatchObject({ accepted: true });
});

test('an older worker goes on with a rollout by requests', async () => {
  const spec = unhurriedRolloutSpec();
  expect(await service.rollouts.start(spec)).toMatchObject({ state: { percent: 50 } });
  expect(await service.rollouts.command(spec.name, 'rollback', { actor: 'ann' })).toMatchObject({ accepted: true });
});
