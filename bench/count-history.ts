import type { Client } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';

type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

export interface HistoryCount {
  readonly events: number;
  /** Billable by the rules of Temporal Cloud, so far as a history shows it. */
  readonly actions: number;
}

/** Reads one workflow's history from the server and counts it. */
export async function countHistory(client: Client, workflowId: string): Promise<HistoryCount> {
  const { events } = await client.workflow.getHandle(workflowId).fetchHistory();
  return { events: events?.length ?? 0, actions: billableActions(events ?? []) };
}

/**
 * Temporal Cloud's rules (docs.temporal.io/cloud/actions): an action for each workflow start, accepted update, signal,
 * started timer, search attribute upsert and attempt of an activity; all markers of one workflow task, which is where
 * local activities are recorded, are one action together. Queries and heartbeats are in no history; the benchmark makes
 * none. Upserts of the memo are not on the list.
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
