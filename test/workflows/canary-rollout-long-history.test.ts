import { rolloutWorkflowId } from '../../src/contract/names';
import type { RolloutResult } from '../../src/contract/rollout';
import { eventually } from '../support/eventually';
import { prepareRolloutService } from '../support/rollout-service';
import { shortRolloutSpec } from '../support/rollout-spec';
import { startOwnTemporal } from '../support/temporal';

test('goes on in new runs, with all that it knows, when its history is long', async () => {
  const temporal = await startOwnTemporal({ historyEventsPerRun: 30 });
  const service = await prepareRolloutService({ temporal });
  try {
    await service.startWorker();
    const spec = shortRolloutSpec({
      intervalMs: 100,
      // Time enough to pause it.
      steps: [{ percent: 50, nominalEndMs: 5_000, minimumBakeMs: 0 }],
    });
    await service.rollouts.start(spec);
    const handle = service.temporal.workflow.getHandle(rolloutWorkflowId(spec.name));
    const firstRun = (await handle.describe()).runId;
    await service.rollouts.command(spec.name, 'pause', { actor: 'ann', reason: 'lunch' });
    await service.sendTurns(40);
    await eventually('the next run', async () => (await handle.describe()).runId !== firstRun);
    const { runId: pausedRun } = await handle.describe();
    expect((await service.rollouts.status(spec.name)).state).toMatchObject({ phase: 'Paused', percent: 50 });
    await service.rollouts.command(spec.name, 'resume', { actor: 'bob' });
    const result = (await handle.result()) as RolloutResult;
    expect(result).toMatchObject({ phase: 'Succeeded', reached: [{ percent: 50 }, { percent: 100 }] });
    expect((await handle.describe()).runId).not.toBe(pausedRun);
    const trail = await service.ledger.rollouts.auditTrail(spec.name);
    expect(trail.map(({ sequence }) => sequence)).toEqual(trail.map((_row, index) => index + 1));
    expect(await service.auditProblem()).toBeNull();
  } finally {
    await service.stop();
    await temporal.stop();
  }
});
