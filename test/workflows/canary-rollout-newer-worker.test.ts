import { eventually } from '../support/eventually';
import { RolloutSetting } from '../support/rollout-hooks';
import { prepareRolloutService, startInterferedWorker } from '../support/rollout-service';
import { shortRolloutSpec } from '../support/rollout-spec';
import { workflowBundle } from '../support/temporal';

const hourMs = 60 * 60 * 1000;

/** The workflows of a later version, whose rule asks for far more evidence to advance. */
function stricterWorkflows(): { readonly code: string } {
  const { code } = workflowBundle();
  const stricter = code.replaceAll(/needed: Math\.log\(1 \/ alpha\)/gu, 'needed: 1000 * Math.log(1 / alpha)');
  expect(stricter).not.toBe(code);
  return { code: stricter };
}

test('goes on where it stood when a worker takes over whose rule would not have advanced it', async () => {
  const setting = new RolloutSetting();
  const service = await prepareRolloutService();
  setting.service = service;
  let stopWorker = await startInterferedWorker(service, setting.interference);
  try {
    const spec = shortRolloutSpec({
      steps: [
        { percent: 50, nominalEndMs: 1_000, minimumBakeMs: 1_000 },
        { percent: 80, nominalEndMs: hourMs, minimumBakeMs: 1_000 },
      ],
    });
    await setting.beginWithEvidence(spec);
    expect(await setting.untilEvents(spec, 2)).toEqual(['start by test', 'advance by bellwether']);
    await stopWorker();
    const before = await service.ledger.rollouts.lastAuditRow(spec.name);

    stopWorker = await startInterferedWorker(service, setting.interference, stricterWorkflows());
    await eventually('the newer worker analyses', async () => {
      const last = await service.ledger.rollouts.lastAuditRow(spec.name);
      return (last?.sequence ?? 0) > (before?.sequence ?? 0) + 1;
    });
    expect(await service.ledger.rollouts.split()).toMatchObject({ percent: 80, bake: 2, active: true });
    const { state } = await service.rollouts.status(spec.name);
    expect(state).toMatchObject({ percent: 80, step: 1, reached: [{ percent: 50 }, { percent: 80 }] });
    expect(await service.rollouts.command(spec.name, 'rollback', { actor: 'ann' })).toMatchObject({ accepted: true });
    expect(await setting.eventsOf(spec)).toEqual(['start by test', 'advance by bellwether', 'roll-back by ann']);
  } finally {
    await stopWorker();
    await service.stop();
  }
});
