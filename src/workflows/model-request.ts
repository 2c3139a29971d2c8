import { setCurrentDetails } from '@temporalio/workflow';
import type { ChatReply } from '../contract/chat';
import { oneShotTurnName } from '../contract/names';
import type { ModelRequestInput } from '../contract/operations';
import { describeTurn, ShownState } from './operator-view';
import { runTurn } from './run-turn';
import { stopBySignal } from './turn-stop';

/**
 * One turn that asks a model for vectors or a moderation. A type of its own, because a worker from before it would answer
 * the request as a chat; as it is, the task waits for a worker that knows it.
 */
export async function modelRequest(input: ModelRequestInput): Promise<ChatReply> {
  const turn = {
    ...input,
    name: oneShotTurnName(input.turnId, null),
    sessionId: null,
    userId: input.userId ?? null,
    messages: [],
  };
  const reply = await runTurn(turn, stopBySignal());
  new ShownState(null).turnEnded(reply);
  setCurrentDetails(describeTurn(reply));
  return { ...reply, operation: input.operation };
}
