import type { ChatMessage } from '../src/contract/chat';
import type { Answer, Question, Steps } from './steps';
import type { HistoryStore } from './history-store';

export type PlainActivities = ReturnType<typeof createPlainActivities>;

/** An activity for each step of a turn. */
export function createPlainActivities(steps: Steps, history: HistoryStore) {
  return {
    async loadHistory(sessionId: string): Promise<ChatMessage[]> {
      return history.load(sessionId);
    },
    callModel(question: Question): Promise<Answer> {
      return steps.admitAndCall(question);
    },
    async recordCost(turnId: string, answer: Answer): Promise<void> {
      await steps.record(turnId, answer);
    },
    async saveHistory(sessionId: string, messages: readonly ChatMessage[]): Promise<void> {
      history.append(sessionId, messages);
    },
  };
}
