import type { Client } from '@temporalio/client';
import type { plainTurn } from '../workflows';
import type { Way } from './way';

/** A workflow per turn, which the caller starts and waits for. */
export function plain(client: Client): Way {
  return {
    name: 'plain',
    title: '(c) workflow per turn, 4 activities',
    worker: 'plain',
    promisesOneCall: false,
    open: (sessionId) => {
      const workflowIds: string[] = [];
      return {
        async send(turnId, content) {
          const workflowId = `plain/${turnId}`;
          workflowIds.push(workflowId);
          await client.workflow.execute<typeof plainTurn>('plainTurn', {
            workflowId,
            taskQueue: 'plain',
            args: [{ turnId, sessionId, content }],
          });
        },
        workflowIds: () => workflowIds,
      };
    },
  };
}
