import { allHandlersFinished, condition, defineUpdate, proxyActivities, setHandler } from '@temporalio/workflow';
import type { ChatMessage } from '../../src/contract/chat';
import { contextWindow } from '../../src/domain/turn/window';
import type { TextbookActivities } from '../textbook-activities';

/** Longer than any answer of the simulated provider; the benchmark simulates no faults. */
const { answerTurn } = proxyActivities<TextbookActivities>({ startToCloseTimeout: '1 minute' });

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
