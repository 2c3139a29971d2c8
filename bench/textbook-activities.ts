import type { Answer, Question, Steps } from './steps';

export type TextbookActivities = ReturnType<typeof createTextbookActivities>;

/** One activity for a whole turn: admission, call and record. */
export function createTextbookActivities(steps: Steps) {
  return {
    async answerTurn(question: Question): Promise<Pick<Answer, 'content'>> {
      const answer = await steps.admitAndCall(question);
      await steps.record(question.turnId, answer);
      return { content: answer.content };
    },
  };
}
