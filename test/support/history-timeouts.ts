import type { Client } from '@temporalio/client';
import { temporal } from '@temporalio/proto';

const { EventType, TimeoutType } = temporal.api.enums.v1;

/**
 * The Temporal timeouts that a workflow waited for, from its history, which records only the first of several in a row.
 */
export async function timeoutsOf(client: Client, workflowId: string): Promise<string> {
  const { events } = await client.workflow.getHandle(workflowId).fetchHistory();
  const causes = (events ?? []).flatMap((event) => {
    const {
      eventType,
      workflowTaskTimedOutEventAttributes: timedOut,
      workflowTaskScheduledEventAttributes: task,
      activityTaskStartedEventAttributes: activity,
    } = event;
    if (eventType === EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED) return ['workflow task failed'];
    if (eventType === EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT) return ['activity timed out'];
    if (timedOut?.timeoutType) return [`workflow task: ${TimeoutType[timedOut.timeoutType]}`];
    if (activity?.lastFailure?.timeoutFailureInfo?.timeoutType) {
      return [`activity: ${TimeoutType[activity.lastFailure.timeoutFailureInfo.timeoutType]}`];
    }
    return task?.attempt && task.attempt > 1 ? [`done at attempt ${task.attempt}`] : [];
  });
  return causes.length > 0 ? causes.join(', ') : 'no timeout in its history';
}
