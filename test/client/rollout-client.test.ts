import { Client, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { RolloutClient } from '../../src/client/rollout-client';
import { eachTestWithRollouts } from '../support/rollout-hooks';
import { unhurriedRolloutSpec } from '../support/rollout-spec';

const rollouts = eachTestWithRollouts();

/** As Temporal answers when a worker stood still and its workflow task, with the update in it, was taken away. */
function unprocessed(): WorkflowUpdateFailedError {
  const cause = ApplicationFailure.nonRetryable('Workflow Update was not processed.', 'UnprocessedUpdate');
  return new WorkflowUpdateFailedError('Workflow Update failed', cause);
}

/** An operator whose every other try ends so, the first among them; a workflow that was to be started has started. */
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

test('commands and starts that no worker looked at are sent again, and carried out once', async () => {
  const spec = unhurriedRolloutSpec();
  const operator = unluckyOperator();
  expect(await operator.start(spec)).toMatchObject({ spec, state: { phase: 'Progressing' } });
  expect(await operator.command(spec.name, 'pause', { actor: 'ann' })).toMatchObject({ accepted: true });
  expect(await rollouts.eventsOf(spec)).toEqual(['start by test', 'pause by ann']);
});
