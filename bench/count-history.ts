import type { Client } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';

type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

export interface HistoryCount {
  readonly events: number;
  /** What Temporal Cloud bills, as far as a history shows it. */
  readonly actions: number;
}

/** Reads one workflow's history from the server and counts it. */
export async function countHistory(client: Client, workflowId: string): Promise<HistoryCount> {
  const { events } = await client.workflow.getHandle(workflowId).fetchHistory();
  return { events: events?.length ?? 0, actions: billableActions(events ?? []) };
}

/**
 * Temporal Cloud's rules (docs.temporal.io/cloud/actions): one action for each workflow start, accepted update, signal,
 * started timer, search attribute upsert and activity attempt; all markers of one workflow task, which record its local
 * activities, are one action together. Queries and heartbeats appear in no history, and the benchmark makes none. Memo
 * upserts are not on the list.
 */
export function billableActions(events: readonly HistoryEvent[]): number {
  const tasksWithMarkers = new Set<string>();
  let actions = 0;
  for (const event of events) {
    if (event.markerRecordedEventAttributes) {
      tasksWithMarkers.add(String(event.markerRecordedEventAttributes.workflowTaskCompletedEventId));
    } else if (event.activityTaskStartedEventAttributes) {
      // One event for all attempts: it is written when the last one ends.
      actions += event.activityTaskStartedEventAttributes.attempt ?? 1;
    } else if (isOneAction(event)) {
      actions += 1;
    }
  }
  return actions + tasksWithMarkers.size;
}

function isOneAction(event: HistoryEvent): boolean {
  return Boolean(
    event.workflowExecutionStartedEventAttributes ??
    event.workflowExecutionUpdateAcceptedEventAttributes ??
    event.workflowExecutionSignaledEventAttributes ??
    event.timerStartedEventAttributes ??
    event.upsertWorkflowSearchAttributesEventAttributes,
  );
}
