import { rolloutCheck } from '../../src/cli/checks/rollout';
import { statusLines } from '../../src/cli/rollout/status';
import { canaryRolloutWorkflowType, rolloutWorkflowId } from '../../src/contract/names';
import type { RolloutSpec } from '../../src/contract/rollout';
import { advanceRollout } from '../../src/domain/rollout/advance-rollout';
import { RolloutOperator } from '../../src/operator/rollout-operator';
import { statusAsJson } from '../../src/operator/status-json';
import { prepareRolloutService, type RolloutService } from '../support/rollout-service';
import { rolloutSpec } from '../support/rollout-spec';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

let service: RolloutService;
let operator: RolloutOperator;
beforeEach(async () => {
  service = await prepareRolloutService();
  const { rollouts } = service.ledger;
  operator = new RolloutOperator({ rollouts, close: () => Promise.resolve() }, () => Promise.resolve(service.rollouts));
});
afterEach(() => service.stop());

/** A rollout that began then, and has a workflow but no worker. */
async function begunAt(startedAtMs: number): Promise<RolloutSpec> {
  const spec = rolloutSpec({ intervalMs: 5 * minuteMs });
  const occasion = { atMs: startedAtMs, evidence: null, command: null };
  const decision = advanceRollout(spec, null, occasion);
  await service.ledger.rollouts.record({ spec, decision, ...occasion }, 'legacy');
  await service.temporal.workflow.start(canaryRolloutWorkflowType, {
    workflowId: rolloutWorkflowId(spec.name),
    taskQueue: service.settings.temporal.taskQueue,
    args: [{ spec, carried: { state: decision.next, lastAnalysis: null } }],
  });
  return spec;
}

test('a rollout without a worker is overdue, says since when and what to do, and can be sent back', async () => {
  const startedAtMs = (await service.ledger.rollouts.nowMs()) - 5 * hourMs;
  const spec = await begunAt(startedAtMs);
  const since = new Date(startedAtMs + 5 * minuteMs).toISOString();
  const view = await operator.view(spec.name);
  expect(statusAsJson(view)).toMatchObject({
    workflow: 'running',
    next_analysis_at: since,
    overdue_since: since,
    warnings: [{ code: 'overdue', message: expect.stringContaining(`since ${since}, for 4 h 55 min`) as string }],
  });
  const text = statusLines(view, false).join('\n');
  expect(text).toContain('no worker runs');
  expect(text).toContain('bellwether doctor');
  expect(text).toMatch(/Next analysis {2}overdue, was due /);
  expect(await rolloutCheck(service.settings).run()).toMatchObject({ status: 'failed' });
  expect(await operator.sendEverybodyBack({ actor: 'ann' })).toMatchObject({ changed: true, arm: 'legacy' });
  expect(await service.ledger.rollouts.split()).toMatchObject({ percent: 0, active: false });
}, 180_000);

test('a rollout between two analyses is not overdue', async () => {
  const startedAtMs = await service.ledger.rollouts.nowMs();
  const spec = await begunAt(startedAtMs);
  expect(statusAsJson(await operator.view(spec.name))).toMatchObject({
    next_analysis_at: new Date(startedAtMs + 5 * minuteMs).toISOString(),
    overdue_since: null,
    warnings: [],
  });
});
