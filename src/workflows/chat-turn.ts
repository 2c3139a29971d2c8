import { ApplicationFailure, setCurrentDetails } from '@temporalio/workflow';
import type { ChatReply, ChatTurnInput } from '../contract/chat';
import { failureTypes } from '../contract/failures';
import { chatTurnProblem } from '../domain/validate-input';
import { contextWindow } from '../domain/window';
import { describeTurn, ShownState } from './operator-view';
import { runTurn } from './run-turn';

/** One turn of a request that brings its whole history: nothing is remembered beyond the reply. */
export async function chatTurn(input: ChatTurnInput): Promise<ChatReply> {
  const problem = chatTurnProblem(input);
  if (problem) throw ApplicationFailure.nonRetryable(problem, failureTypes.invalidInput);

  const reply = await runTurn({
    ...input,
    sessionId: input.sessionId ?? null,
    userId: input.userId ?? null,
    messages: contextWindow(input.messages),
  });
  new ShownState(input.sessionId ?? null).turnEnded(reply);
  setCurrentDetails(describeTurn(reply));
  return reply;
}
