import type { Activities } from '../activities';
import { admitAndCall, type Answer, type Question } from './answer';

export type TextbookActivities = ReturnType<typeof createTextbookActivities>;

/** One activity for a whole turn: admission, call and record. */
export function createTextbookActivities(steps: Activities) {
  return {
    async answerTurn(question: Question): Promise<Pick<Answer, 'content'>> {
      const { content, target, model, settlement } = await admitAndCall(steps, question);
      await steps.recordTurn({ turnId: question.turnId, answer: { target, model, settlement }, error: null });
      return { content };
    },
  };
}
