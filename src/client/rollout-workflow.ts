import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { decodeOptionalFailureToOptionalError } from '@temporalio/common/lib/internal-non-workflow';
import { errorMessage, failureTypes } from '../contract/failures';
import { recordRolloutActivity } from '../contract/names';
import { isNotFound } from './errors';

/** The workflow of a rollout as Temporal knows it. */
export interface RolloutWorkflow {
  /** `unknown`: Temporal does not know it, or no longer does. */
  readonly status: 'running' | 'completed' | 'failed' | 'unknown';
  /** Why it has not been able to record its latest decision; null if it has, or has none to record. */
  readonly recordingFailure: RecordingFailure | null;
}

export interface RecordingFailure {
  readonly message: string;
  /** The ledger lacks decisions that the workflow has recorded earlier, so trying again will not help by itself. */
  readonly isLedgerBehind: boolean;
}

export async function recordingFailureIn(
  temporal: Client,
  { raw, workflowId }: WorkflowExecutionDescription,
): Promise<RecordingFailure | null> {
  const { loadedDataConverter, namespace } = temporal.options;
  const recording = raw.pendingActivities?.find(({ activityType }) => activityType?.name === recordRolloutActivity);
  const activityId = recording?.activityId ?? '';
  const context = { type: 'activity', namespace, workflowId, activityId, isLocal: false } as const;
  const error = await decodeOptionalFailureToOptionalError(loadedDataConverter, recording?.lastFailure, context);
  if (error === undefined) return null;
  const isLedgerBehind = error instanceof ApplicationFailure && error.type === failureTypes.ledgerBehind;
  return { message: errorMessage(error), isLedgerBehind };
}

/**
 * Terminates a workflow that no worker has taken yet. A worker that takes it at this moment refuses it, because its time to
 * start is over. Returns false if a worker has taken it, or it does not run.
 */
export async function endUntaken(temporal: Client, workflowId: string): Promise<boolean> {
  try {
    const { runId, raw } = await temporal.workflow.getHandle(workflowId).describe();
    const handle = temporal.workflow.getHandle(workflowId, runId);
    const { events } = await handle.fetchHistory();
    const isTaken = (events ?? []).some((event) => event.workflowTaskCompletedEventAttributes);
    if (isTaken || raw.workflowExecutionInfo?.closeTime) return false;
    await handle.terminate('No worker took it in time, so it was withdrawn.');
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
