import type { Client } from '@temporalio/client';
import type { ChatReply, Transcript } from '../contract/chat';
import * as names from '../contract/names';
import { TurnNotFoundError } from './errors';
import { isNotFound } from './translate-error';

/** Waits for the reply of a turn that was begun before, also beside a session's conversation. @throws {TurnNotFoundError} */
export async function joinTurn(temporal: Client, turnId: string, sessionId: string | undefined): Promise<ChatReply> {
  try {
    if (sessionId === undefined) return await joinOneShotTurn(temporal, turnId, null);
    try {
      return await joinSessionTurn(temporal, turnId, sessionId);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return await joinOneShotTurn(temporal, turnId, sessionId);
    }
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new TurnNotFoundError(`Turn ${turnId} is not known to Temporal.`, { cause: error });
  }
}

async function joinOneShotTurn(temporal: Client, turnId: string, sessionId: string | null): Promise<ChatReply> {
  return (await temporal.workflow.getHandle(names.turnWorkflowId(turnId, sessionId)).result()) as ChatReply;
}

async function joinSessionTurn(temporal: Client, turnId: string, sessionId: string): Promise<ChatReply> {
  const conversation = temporal.workflow.getHandle(names.conversationWorkflowId(sessionId));
  try {
    return await conversation.getUpdateHandle<ChatReply>(turnId).result();
  } catch (error) {
    if (!isNotFound(error)) throw error;
    // Updates are known by run. A conversation that has continued as new carries its recent turns along.
    const { turns } = await conversation.query<Transcript>(names.transcriptQuery);
    const turn = turns.findLast((each) => each.turnId === turnId);
    if (!turn) throw error;
    return turn.reply;
  }
}
