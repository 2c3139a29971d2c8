import { patched, setCurrentDetails } from '@temporalio/workflow';
import type { ChatReply, ChatTurnInput } from '../contract/chat';
import { oneShotTurnName } from '../contract/names';
import { modelOptionsProblem } from '../domain/turn/model-options';
import { sendableMessages } from '../domain/turn/messages';
import { chatTurnFieldsProblem, listsProblem } from '../domain/turn/validate-input';
import { contextWindow } from '../domain/turn/window';
import { describeTurn, ShownState } from './operator-view';
import { refuseInvalid } from './refuse-invalid';
import { runTurn } from './run-turn';
import { stopBySignal } from './turn-stop';

/** One turn of a request that carries its whole history: nothing is remembered but the reply. */
export async function chatTurn(input: ChatTurnInput): Promise<ChatReply> {
  const tooLong = listsProblem(input);
  // Turns that started before these limits existed continue. The check comes first so that valid inputs get no marker.
  if (tooLong !== null && patched('long-lists-are-refused')) refuseInvalid(tooLong);
  const tooDear = modelOptionsProblem(input.modelOptions);
  if (tooDear !== null && patched('options-of-unknown-cost-are-refused')) refuseInvalid(tooDear);
  refuseInvalid(chatTurnFieldsProblem(input));

  const messages = sendableMessages(input.messages);
  const sessionId = input.sessionId ?? null;
  const turn = {
    ...input,
    name: oneShotTurnName(input.turnId, sessionId),
    sessionId,
    userId: input.userId ?? null,
    messages: input.keepAllMessages ? messages : contextWindow(messages),
  };
  const reply = await runTurn(turn, stopBySignal());
  new ShownState(sessionId).turnEnded(reply);
  setCurrentDetails(describeTurn(reply));
  return reply;
}
