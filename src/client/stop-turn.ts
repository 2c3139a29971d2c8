import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import * as names from '../contract/names';
import type { StopInput } from '../contract/turn';
import type { TurnState } from '../contract/turn-stops';
import { isNotFound } from './errors';

interface AskedStop {
  readonly input: StopInput;
  /** From `stopWorkflowId`; the same one when the call is repeated. */
  readonly workflowId: string;
  readonly taskQueue: string;
  readonly deadlineMs: number;
}

/** Takes the request to a worker, which has access to the ledger. Safe to repeat. @returns the turn's state before */
export async function askToStop(
  { workflow }: Client,
  { input, workflowId, taskQueue, deadlineMs }: AskedStop,
): Promise<TurnState> {
  try {
    await workflow.start(names.turnStopWorkflowType, {
      workflowId,
      taskQueue,
      args: [input],
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      workflowExecutionTimeout: deadlineMs,
      staticSummary: 'turnNames' in input ? `Stop of turn ${input.turnNames[0]}` : `Stop of session ${input.sessionId}`,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
  return (await workflow.getHandle(workflowId).result()) as TurnState;
}

/** Ends what the turn's workflow waits for: a backoff, an activity that no worker has taken yet, earlier turns. */
export async function tellWorkflows(
  { workflow }: Client,
  turnId: string,
  workflowIds: readonly string[],
): Promise<void> {
  for (const workflowId of workflowIds) {
    try {
      await workflow.getHandle(workflowId).signal(names.stopTurnSignal, turnId);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

/** Whether the conversation's workflow is in the middle of something, which is mostly a turn. */
export async function isAtWork({ workflow }: Client, workflowId: string): Promise<boolean> {
  try {
    const { raw } = await workflow.getHandle(workflowId).describe();
    return Boolean(raw.pendingWorkflowTask) || (raw.pendingActivities?.length ?? 0) > 0;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
