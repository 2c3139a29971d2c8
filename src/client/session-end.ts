import type { Client } from '@temporalio/client';
import * as names from '../contract/names';

/** A conversation that has ended begins once more, only to tell the ledger that the session is closed. */
export async function closeConversation(
  { workflow }: Client,
  taskQueue: string,
  sessionId: string,
  reason?: string,
): Promise<void> {
  await workflow.signalWithStart(names.conversationWorkflowType, {
    workflowId: names.conversationWorkflowId(sessionId),
    taskQueue,
    args: [{ sessionId }],
    signal: names.closeSignal,
    signalArgs: [reason],
    staticSummary: `Conversation of session ${sessionId}`,
  });
}
