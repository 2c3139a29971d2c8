import { type Client, type Workflow, WithStartWorkflowOperation } from '@temporalio/client';
import type { HandedOver, HandOverInput, PersonMessage, PersonMessageInput } from '../contract/hand-off';
import * as names from '../contract/names';

/** What a person says to the user. */
export interface NewPersonMessage extends Omit<PersonMessageInput, 'messageId'> {
  /** The same id is the same message, however often it is sent. Generated when omitted. */
  readonly messageId?: string;
}

/** A conversation that has ended begins anew. */
export function handOverSession(
  { workflow }: Client,
  taskQueue: string,
  sessionId: string,
  { input, updateId }: { readonly input: HandOverInput; readonly updateId: string },
): Promise<HandedOver> {
  return workflow.executeUpdateWithStart<Workflow, HandedOver, [HandOverInput]>(names.handOverUpdate, {
    args: [input],
    updateId,
    startWorkflowOperation: new WithStartWorkflowOperation(names.conversationWorkflowType, {
      workflowId: names.conversationWorkflowId(sessionId),
      taskQueue,
      workflowIdConflictPolicy: 'USE_EXISTING',
      args: [{ sessionId }],
      staticSummary: `Conversation of session ${sessionId}`,
    }),
  });
}

export function giveSessionBack({ workflow }: Client, sessionId: string, updateId: string): Promise<void> {
  const handle = workflow.getHandle(names.conversationWorkflowId(sessionId));
  return handle.executeUpdate<void, []>(names.giveBackUpdate, { updateId });
}

export function addPersonMessage(
  { workflow }: Client,
  sessionId: string,
  message: PersonMessageInput,
): Promise<PersonMessage> {
  const handle = workflow.getHandle(names.conversationWorkflowId(sessionId));
  const updateId = names.addMessageUpdateId(message.messageId);
  return handle.executeUpdate<PersonMessage, [PersonMessageInput]>(names.addMessageUpdate, {
    args: [message],
    updateId,
  });
}
