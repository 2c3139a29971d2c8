import type { Activities } from '../activities';
import type { ChatMessage } from '../contract/chat';
import { admitAndCall, type Answer, type Question } from './answer';
import type { HistoryStore } from './history-store';

export type PlainActivities = ReturnType<typeof createPlainActivities>;

/** An activity for each step of a turn. */
export function createPlainActivities(steps: Activities, history: HistoryStore) {
  return {
    async loadHistory(sessionId: string): Promise<ChatMessage[]> {
      return history.load(sessionId);
    },
    callModel(question: Question): Promise<Answer> {
      return admitAndCall(steps, question);
    },
    async recordCost(turnId: string, { target, model, settlement }: Answer): Promise<void> {
      await steps.recordTurn({ turnId, answer: { target, model, settlement }, error: null });
    },
    async saveHistory(sessionId: string, messages: readonly ChatMessage[]): Promise<void> {
      history.append(sessionId, messages);
    },
  };
}
