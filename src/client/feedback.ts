import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { FeedbackOutcome } from '../contract/ledger';
import * as names from '../contract/names';
import type { TurnFeedbackInput } from '../contract/turn';
import { FeedbackTooLateError, TurnNotFoundError } from './errors';

interface GivenFeedback {
  readonly input: TurnFeedbackInput;
  /** From `feedbackWorkflowId`; the same one when the call is repeated. */
  readonly workflowId: string;
  readonly taskQueue: string;
  /** A signal that nobody waits for any more must not replace a later one. */
  readonly deadlineMs: number;
}

/** Sends feedback on a turn to a worker, which has access to the ledger. Safe to repeat. */
export async function giveFeedback(
  { workflow }: Client,
  { input, workflowId, taskQueue, deadlineMs }: GivenFeedback,
): Promise<FeedbackOutcome> {
  try {
    await workflow.start(names.turnFeedbackWorkflowType, {
      workflowId,
      taskQueue,
      args: [input],
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      workflowExecutionTimeout: deadlineMs,
      staticSummary: `Feedback on turn ${input.turnId}`,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
  return (await workflow.getHandle(workflowId).result()) as FeedbackOutcome;
}

export function refuseUnrecorded(turnId: string, outcome: FeedbackOutcome): void {
  switch (outcome) {
    case 'recorded':
      return;
    case 'unknown-turn':
      throw new TurnNotFoundError(
        `The ledger has no turn ${turnId}. Check the turn id, and give its sessionId if it has one.`,
      );
    case 'too-late':
      throw new FeedbackTooLateError(`Turn ${turnId} is older than 7 days and takes no more feedback.`);
  }
}
