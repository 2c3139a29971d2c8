import { temporal } from '@temporalio/proto';
import { billableActions } from '../../bench/count-history';

type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

const { HistoryEvent } = temporal.api.history.v1;

const marker = (workflowTaskCompletedEventId: number): HistoryEvent =>
  HistoryEvent.fromObject({ markerRecordedEventAttributes: { workflowTaskCompletedEventId } });

test('a start, an update, a signal, a timer and an upsert are one action each', () => {
  const events: HistoryEvent[] = [
    { workflowExecutionStartedEventAttributes: {} },
    { workflowExecutionUpdateAcceptedEventAttributes: {} },
    { workflowExecutionSignaledEventAttributes: {} },
    { timerStartedEventAttributes: {} },
    { upsertWorkflowSearchAttributesEventAttributes: {} },
  ];
  expect(billableActions(events)).toBe(5);
});

test('all local activities of one workflow task are one action, and those of another task are another', () => {
  expect(billableActions([marker(4), marker(4), marker(4), marker(11)])).toBe(2);
});

test('each attempt of an activity is one action', () => {
  expect(billableActions([{ activityTaskStartedEventAttributes: { attempt: 3 } }])).toBe(3);
});

test('workflow tasks, completions, fired timers and the memo cost no action', () => {
  const events: HistoryEvent[] = [
    { workflowTaskScheduledEventAttributes: {} },
    { workflowTaskStartedEventAttributes: {} },
    { workflowTaskCompletedEventAttributes: {} },
    { activityTaskCompletedEventAttributes: {} },
    { workflowExecutionUpdateCompletedEventAttributes: {} },
    { timerFiredEventAttributes: {} },
    { workflowPropertiesModifiedEventAttributes: {} },
  ];
  expect(billableActions(events)).toBe(0);
});
