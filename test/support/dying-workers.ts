import { setMaxListeners } from 'node:events';
import type { Connection } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { unique } from './temporal';

/** Longer than Temporal holds an empty poll. */
const pollDeadlineMs = 90_000;

const { TASK_QUEUE_KIND_NORMAL } = temporal.api.enums.v1.TaskQueueKind;

/**
 * Takes every workflow task of a queue and never answers; to Temporal, such a worker is dead.
 */
export function dyingWorkers(connection: Connection, namespace: string, taskQueue: string): { stop(): void } {
  const over = new AbortController();
  // The client adds a listener for every request.
  setMaxListeners(0, over.signal);
  const identity = unique('dying');
  const poll = () =>
    connection.workflowService.pollWorkflowTaskQueue({
      namespace,
      taskQueue: { name: taskQueue, kind: TASK_QUEUE_KIND_NORMAL },
      identity,
    });
  const takeAll = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await connection.withAbortSignal(over.signal, () => connection.withDeadline(Date.now() + pollDeadlineMs, poll));
    }
  };
  takeAll().catch((error: unknown) => {
    if (!over.signal.aborted) throw error;
  });
  return { stop: () => over.abort() };
}
