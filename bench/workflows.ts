/** The workflows that Bellwether is compared with. */
import { allHandlersFinished, condition, defineUpdate, proxyActivities, setHandler } from '@temporalio/workflow';
import type { ChatMessage } from '../src/contract/chat';
import { contextWindow } from '../src/domain/turn/window';
import type { PlainActivities, TextbookActivities } from './compared-worker';

/** Longer than any answer of the simulated provider; the benchmark simulates no faults. */
const { answerTurn, loadHistory, callModel, recordCost, saveHistory } = proxyActivities<
  PlainActivities & TextbookActivities
>({ startToCloseTimeout: '1 minute' });

interface PlainTurnInput {
  readonly turnId: string;
  readonly sessionId: string;
  readonly content: string;
}

/** A turn as most teams write it first: a workflow per turn, an activity per step. */
export async function plainTurn({ turnId, sessionId, content }: PlainTurnInput): Promise<string> {
  const question: ChatMessage = { role: 'user', content };
  const history = await loadHistory(sessionId);
  const answer = await callModel({ turnId, sessionId, messages: contextWindow([...history, question]) });
  await recordCost(turnId, answer);
  await saveHistory(sessionId, [question, { role: 'assistant', content: answer.content }]);
  return answer.content;
}

const textbookMessage = defineUpdate<string, [{ readonly turnId: string; readonly content: string }]>(
  'textbookMessage',
);

/** A conversation as Temporal's documentation suggests it: each message an update, each answer one regular activity. */
export async function textbookConversation(sessionId: string): Promise<void> {
  const history: ChatMessage[] = [];
  setHandler(textbookMessage, async ({ turnId, content }) => {
    history.push({ role: 'user', content });
    const answer = await answerTurn({ turnId, sessionId, messages: contextWindow(history) });
    history.push({ role: 'assistant', content: answer.content });
    return answer.content;
  });
  // It ends when the benchmark terminates it or its server.
  await condition(() => false);
  await condition(allHandlersFinished);
}
