import { deflateShare } from '../../../src/activities/deflate-share';
import type { ChatMessage, ToolCall } from '../../../src/contract/chat';
import { type Asked, flagsOf as flagsOfAnswer, type Given } from '../../../src/domain/turn/answer-flags';
import { type Exchange, readAnswers } from './read-answers';

const flagsOf = (asked: Asked, given: Given) => flagsOfAnswer(asked, given, deflateShare);

function flags(question: string | readonly ChatMessage[], content: string, changes: Partial<Asked & Given> = {}) {
  const messages = typeof question === 'string' ? [{ role: 'user', content: question } as const] : question;
  return flagsOf({ messages, isShortAsked: false, ...changes }, { content, finishReason: 'stop', ...changes });
}
const flagsIn = ({ question, answer }: Exchange) => flags(question, answer);
const system = (content: string): ChatMessage => ({ role: 'system', content });
const user = (content: string): ChatMessage => ({ role: 'user', content });

const languages = ['en', 'zh', 'ja', 'ko', 'th', 'vi', 'id', 'mixed'] as const;
const inEnglish = 'Your order left our warehouse on Monday and should reach you by Thursday.';

describe('of answers that are fine', () => {
  const fine = languages.flatMap((language) =>
    readAnswers(`fine.${language}`).map((exchange) => ({ language, ...exchange })),
  );

  test('none is flagged, of some three hundred', () => {
    expect(fine.length).toBeGreaterThanOrEqual(300);
    const flagged = fine
      .map((exchange) => ({ ...exchange, flags: flagsIn(exchange) }))
      .filter((one) => one.flags.length > 0);
    expect(flagged).toEqual([]);
  });

  test('none is a refusal or in the wrong language behind a system prompt and earlier turns, either', () => {
    for (const { question, answer } of fine) {
      const before = [
        system('You help customers of a shop. Be friendly, and answer in their language.'),
        user(question),
      ];
      const said: ChatMessage = { role: 'assistant', content: answer };
      expect([question, flags([...before, said, user(question)], answer)]).toEqual([question, []]);
    }
  });
});

describe('of bad answers', () => {
  test.each(['refused', 'wrong-language'] as const)('all that are %s are told, and as nothing else', (flag) => {
    const bad = readAnswers(`bad.${flag}`);
    expect(bad.length).toBeGreaterThanOrEqual(30);
    const missed = bad.filter((exchange) => flagsIn(exchange).join() !== flag);
    expect(missed).toEqual([]);
  });
});
