import { rolloutWorkflowId } from '../../src/contract/names';
import { eventually } from '../support/eventually';
import { prepareRolloutService, startInterferedWorker } from '../support/rollout-service';
import { unhurriedRolloutSpec } from '../support/rollout-spec';
import { startOwnTemporal } from '../support/temporal';

const signals = 900;
const hourMs = 60 * 60 * 1000;

test('hundreds of signals that came while no worker ran leave their last word, and the run ends before them', async () => {
  const temporal = await startOwnTemporal({ historyEventsPerRun: 100 });
  const service = await prepareRolloutService({ temporal });
  let stopWorker = await startInterferedWorker(service, {});
  try {
    const spec = unhurriedRolloutSpec({ intervalMs: hourMs });
    await service.rollouts.start(spec);
    await stopWorker();
    const workflow = service.temporal.workflow.getHandle(rolloutWorkflowId(spec.name));
    const { runId: firstRun } = await workflow.describe();
    const sendAll = async (from: number, step: number): Promise<void> => {
      for (let number = from; number < signals; number += step) {
        await workflow.signal(number % 2 === 0 ? 'resume' : 'pause', { actor: `operator-${number}` });
      }
    };
    await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map((from) => sendAll(from, 8)));
    await workflow.signal('resume', { actor: 'ann' });
    await workflow.signal('pause', { actor: 'bob', reason: 'the last word' });

    stopWorker = await startInterferedWorker(service, {});
    await eventually('it is paused', async () => {
      const { reason } = (await service.ledger.rollouts.lastAuditRow(spec.name)) ?? {};
      return reason === 'bob paused it ("the last word").';
    });
    // Of each kind, only the last one was carried out: none of the hundreds before.
    expect(await service.actions(spec.name)).toEqual([
      ['start', 'test'],
      ['refuse', 'ann'],
      ['pause', 'bob'],
    ]);
    expect((await workflow.describe()).runId).not.toBe(firstRun);
    const { events } = await service.temporal.workflow.getHandle(workflow.workflowId, firstRun).fetchHistory();
    const last = events?.at(-1);
    expect(last?.workflowExecutionContinuedAsNewEventAttributes).toBeTruthy();
    const answer = await service.rollouts.command(spec.name, 'rollback', { actor: 'ann' });
    expect(answer).toMatchObject({ accepted: true, state: { phase: 'RolledBack' } });
    expect(await service.auditProblem()).toBeNull();
  } finally {
    await stopWorker();
    await service.stop();
    await temporal.stop();
  }
}, 180_000);

test('a pause is kept while as many exclusions wait as may', async () => {
  const temporal = await startOwnTemporal();
  const service = await prepareRolloutService({ temporal });
  let stopWorker = await startInterferedWorker(service, {});
  try {
    const spec = unhurriedRolloutSpec({ intervalMs: hourMs });
    await service.rollouts.start(spec);
    await stopWorker();
    const workflow = service.temporal.workflow.getHandle(rolloutWorkflowId(spec.name));
    for (let number = 0; number < 50; number += 1) {
      const period = { fromMs: number * hourMs, toMs: (number + 1) * hourMs };
      await workflow.signal('exclude', { actor: 'ann', reason: 'outage', ...period });
    }
    await workflow.signal('pause', { actor: 'bob', reason: 'look at it first' });
    stopWorker = await startInterferedWorker(service, {});
    await eventually('it is paused', async () => {
      const { reason } = (await service.ledger.rollouts.lastAuditRow(spec.name)) ?? {};
      return reason === 'bob paused it ("look at it first").';
    });
    expect(await service.actions(spec.name)).toHaveLength(52);
  } finally {
    await stopWorker();
    await service.stop();
    await temporal.stop();
  }
}, 180_000);
