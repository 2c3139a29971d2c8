import { WithStartWorkflowOperation, type Client } from '@temporalio/client';
import { isPassing } from '../../src/client/errors';
import type { textbookConversation } from '../workflows';
import type { Way } from './way';

/** More than a saturated dev server aborts in a row; the same update id makes each try safe. */
const maxTries = 5;

/** An update that runs one regular activity; started with the first message, then addressed by its handle. */
export function textbook(client: Client): Way {
  return {
    name: 'textbook',
    title: '(b) update + activity',
    worker: 'textbook',
    promisesOneCall: false,
    open: (sessionId) => {
      const workflowId = `textbook/${sessionId}`;
      let isOpen = false;
      return {
        async send(turnId, content) {
          const update = { args: [{ turnId, content }] as [{ turnId: string; content: string }], updateId: turnId };
          await retried(() => (isOpen ? sendTo(workflowId, update) : startWith(workflowId, sessionId, update)));
          isOpen = true;
        },
        workflowIds: () => [workflowId],
      };
    },
  };

  type Update = { args: [{ turnId: string; content: string }]; updateId: string };

  function sendTo(workflowId: string, update: Update): Promise<string> {
    return client.workflow.getHandle(workflowId).executeUpdate<string, Update['args']>(messageUpdate, update);
  }

  function startWith(workflowId: string, sessionId: string, update: Update): Promise<string> {
    return client.workflow.executeUpdateWithStart<typeof textbookConversation, string, Update['args']>(messageUpdate, {
      ...update,
      startWorkflowOperation: new WithStartWorkflowOperation<typeof textbookConversation>('textbookConversation', {
        workflowId,
        taskQueue: 'textbook',
        workflowIdConflictPolicy: 'USE_EXISTING',
        args: [sessionId],
      }),
    });
  }
}

const messageUpdate = 'textbookMessage';

async function retried<Result>(call: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await call();
    } catch (error) {
      if (tries === maxTries || !isPassing(error)) throw error;
    }
  }
}
