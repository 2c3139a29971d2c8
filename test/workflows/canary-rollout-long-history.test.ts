import { rolloutWorkflowId } from '../../src/contract/names';
import { eventually } from '../support/eventually';
import { prepareRolloutService, startInterferedWorker } from '../support/rollout-service';
import { shortRolloutSpec } from '../support/rollout-spec';
import { startOwnTemporal } from '../support/temporal';
import { rolloutResult } from '../support/rollout-result';

test('goes on in new runs, with all that it knows, when its history is long', async () => {
  // Less than an analysis and a command take together, so that no end can come before the next run.
  const temporal = await startOwnTemporal({ historyEventsPerRun: 20 });
  const service = await prepareRolloutService({ temporal });
  // An analysis that sees a part of the users alone may take the split for broken.
  let allTurnsEnded = Promise.resolve();
  const stopWorker = await startInterferedWorker(service, {
    before: (step) => (step === 'evidence' ? allTurnsEnded : undefined),
  });
  try {
    const spec = shortRolloutSpec({
      intervalMs: 100,
      steps: [{ percent: 50, nominalEndMs: 500, minimumBakeMs: 0 }],
    });
    await service.rollouts.start(spec);
    const handle = service.temporal.workflow.getHandle(rolloutWorkflowId(spec.name));
    // Nobody sends anything, so the plan ends without evidence.
    const isHeld = async () => (await service.rollouts.status(spec.name)).state.phase === 'Held';
    await eventually('it is held', isHeld);
    const firstRun = (await handle.describe()).runId;
    await eventually('the next run', async () => (await handle.describe()).runId !== firstRun);
    const { runId: heldRun } = await handle.describe();
    expect((await service.rollouts.status(spec.name)).state).toMatchObject({ phase: 'Held', percent: 50 });
    await service.rollouts.command(spec.name, 'resume', { actor: 'bob', reason: 'there are users now' });
    allTurnsEnded = service.sendTurns(40);
    const result = await rolloutResult(handle);
    expect(result).toMatchObject({ phase: 'Succeeded', reached: [{ percent: 50 }, { percent: 100 }] });
    expect((await handle.describe()).runId).not.toBe(heldRun);
    const trail = await service.ledger.rollouts.auditTrail(spec.name);
    expect(trail.map(({ sequence }) => sequence)).toEqual(trail.map((_row, index) => index + 1));
    expect(await service.auditProblem()).toBeNull();
  } finally {
    await stopWorker();
    await service.stop();
    await temporal.stop();
  }
}, 180_000);
