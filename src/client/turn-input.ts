import type { Client } from '@temporalio/client';
import type { ChatTurnInput } from '../contract/chat';
import { turnWorkflowId } from '../contract/names';
import { isNotFound, TurnNotFoundError } from './errors';
import { decode } from './recorded-rows';

/** The input of a one-shot turn, which its first event holds. @throws {TurnNotFoundError} */
export async function readInput(temporal: Client, turnId: string): Promise<ChatTurnInput> {
  const { namespace } = temporal.options;
  const workflowId = turnWorkflowId(turnId, null);
  try {
    const { history } = await temporal.workflowService.getWorkflowExecutionHistory({
      namespace,
      execution: { workflowId },
      maximumPageSize: 1,
    });
    const payload = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0];
    if (!payload) throw new Error(`The first event of turn ${turnId} has no input.`);
    return await decode<ChatTurnInput>(temporal, payload, { type: 'workflow', namespace, workflowId });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new TurnNotFoundError(`Turn ${turnId} is not known to Temporal.`, { cause: error });
  }
}
