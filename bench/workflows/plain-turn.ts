import { proxyActivities } from '@temporalio/workflow';
import type { ChatMessage } from '../../src/contract/chat';
import { contextWindow } from '../../src/domain/turn/window';
import type { PlainActivities } from '../plain-activities';

/** Longer than any answer of the simulated provider; the benchmark simulates no faults. */
const { loadHistory, callModel, recordCost, saveHistory } = proxyActivities<PlainActivities>({
  startToCloseTimeout: '1 minute',
});

export interface PlainTurnInput {
  readonly turnId: string;
  readonly sessionId: string;
  readonly content: string;
}

/** A turn as most teams write it first: a workflow per turn, an activity for each of its steps. */
export async function plainTurn({ turnId, sessionId, content }: PlainTurnInput): Promise<string> {
  const question: ChatMessage = { role: 'user', content };
  const history = await loadHistory(sessionId);
  const answer = await callModel({ turnId, sessionId, messages: contextWindow([...history, question]) });
  await recordCost(turnId, answer);
  await saveHistory(sessionId, [question, { role: 'assistant', content: answer.content }]);
  return answer.content;
}
