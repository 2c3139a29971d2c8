import { Client, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { TemporalUnreachableError } from '../../src/client/errors';
import { rollBackInLedger } from '../../src/client/rollback';
import { RolloutClient } from '../../src/client/rollout-client';
import type { Rollouts } from '../../src/contract/rollout-ledger';
import { eachTestWithRollouts } from '../support/rollout-hooks';
import { unhurriedRolloutSpec } from '../support/rollout-spec';

const rollouts = eachTestWithRollouts();

/** Temporal's answer if a worker stalled and lost its workflow task, with the update in it. */
function unprocessed(): WorkflowUpdateFailedError {
  const cause = ApplicationFailure.nonRetryable('Workflow Update was not processed.', 'UnprocessedUpdate');
  return new WorkflowUpdateFailedError('Workflow Update failed', cause);
}

/** An operator whose every other try fails like this, starting with the first; workflows start nevertheless. */
function unluckyOperator(): RolloutClient {
  const { connection, options, workflow } = rollouts.service.temporal;
  let tries = 0;
  const client = new Client({
    connection,
    namespace: options.namespace,
    dataConverter: workflow.options.loadedDataConverter,
    interceptors: {
      workflow: [
        {
          startUpdateWithStart: async (input, next) => {
            await next(input);
            throw unprocessed();
          },
          startUpdate: async (input, next) => {
            tries += 1;
            if (tries % 2 === 1) throw unprocessed();
            return next(input);
          },
        },
      ],
    },
  });
  return new RolloutClient(client, rollouts.service.settings.temporal.taskQueue);
}

test('commands and starts that no worker handled are sent again, and carried out once', async () => {
  const spec = unhurriedRolloutSpec();
  const operator = unluckyOperator();
  expect(await operator.start(spec)).toMatchObject({ spec, state: { phase: 'Progressing' } });
  expect(await operator.command(spec.name, 'pause', { actor: 'ann' })).toMatchObject({ accepted: true });
  expect(await rollouts.eventsOf(spec)).toEqual(['start by test', 'pause by ann']);
});

test('what Temporal does not say in the given time is not waited for', async () => {
  const spec = unhurriedRolloutSpec();
  await rollouts.begin(spec);
  const { rollouts: operator } = rollouts.service;
  expect(await operator.workflow(spec.name, 30_000)).toMatchObject({ status: 'running' });
  await expect(operator.workflow(spec.name, -1)).rejects.toThrow(TemporalUnreachableError);
});

describe('a rollback through the client', () => {
  const input = { actor: 'ann', reason: 'complaints' };

  it('is written into the ledger if the workflow is gone; repeating it changes nothing', async () => {
    const { service } = rollouts;
    const { rollouts: operator, ledger } = service;
    const spec = unhurriedRolloutSpec();
    const workflow = await rollouts.begin(spec);
    await workflow.terminate('by hand');

    const first = await operator.rollBack(spec.name, input, ledger.rollouts);
    expect(first).toMatchObject({ accepted: true, withoutWorkflow: true, state: { phase: 'RolledBack', percent: 0 } });
    expect(await ledger.rollouts.split()).toMatchObject({ rollout: spec.name, percent: 0, active: false });
    const again = await operator.rollBack(spec.name, { actor: 'bob' }, ledger.rollouts);
    expect(again).toEqual({ ...first, withoutWorkflow: false });
    expect(await rollouts.eventsOf(spec)).toEqual(['start by test', 'roll-back by ann']);
    expect(await service.auditProblem()).toBeNull();
  });

  it('is left to the workflow if one runs', async () => {
    const { rollouts: operator, ledger } = rollouts.service;
    const spec = unhurriedRolloutSpec();
    await rollouts.begin(spec);
    expect(await operator.rollBack(spec.name, input, ledger.rollouts)).toMatchObject({
      accepted: true,
      withoutWorkflow: false,
      reason: 'ann rolled back ("complaints").',
    });
  });

  it('follows a decision that the workflow records at the same moment', async () => {
    const { rollouts: operator, ledger } = rollouts.service;
    const spec = unhurriedRolloutSpec();
    const workflow = await rollouts.begin(spec);
    // The workflow writes this between the rollback's reading of the last row and its own write.
    const meanwhile: Rollouts = Object.assign(Object.create(ledger.rollouts) as Rollouts, {
      record: async (...args: Parameters<Rollouts['record']>) => {
        meanwhile.record = (...again) => ledger.rollouts.record(...again);
        await operator.command(spec.name, 'pause', { actor: 'bob' });
        await workflow.terminate('by hand');
        return ledger.rollouts.record(...args);
      },
    });
    expect(await rollBackInLedger(meanwhile, spec.name, input)).toMatchObject({
      accepted: true,
      withoutWorkflow: true,
    });
    expect(await rollouts.eventsOf(spec)).toEqual(['start by test', 'pause by bob', 'roll-back by ann']);
    expect(await rollouts.service.auditProblem()).toBeNull();
  });

  it('is refused for a rollout that has ended in another way, and for an unknown rollout', async () => {
    const { rollouts: operator, ledger } = rollouts.service;
    const left = unhurriedRolloutSpec();
    await (await rollouts.begin(left)).terminate('by hand');
    const next = unhurriedRolloutSpec({ takeOver: true });
    await rollouts.begin(next);

    await expect(operator.rollBack(left.name, input, ledger.rollouts)).rejects.toMatchObject({ code: 'rollout-ended' });
    await expect(operator.rollBack('nobody', input, ledger.rollouts)).rejects.toMatchObject({
      code: 'rollout-not-found',
    });
    await expect(operator.rollBack(next.name, { actor: '' }, ledger.rollouts)).rejects.toMatchObject({
      code: 'invalid-input',
    });
    expect(await ledger.rollouts.split()).toMatchObject({ rollout: next.name, percent: 50, active: true });
  });
});
