import * as fc from 'fast-check';
import type { ChatMessage } from '../../../src/contract/chat';
import { limits } from '../../../src/contract/limits';
import { messageText } from '../../../src/domain/turn/messages';
import { contextWindow } from '../../../src/domain/turn/window';

const system: ChatMessage = { role: 'system', content: 'You are a shop assistant.' };
const talk = (count: number): ChatMessage[] =>
  Array.from({ length: count }, (_, index) => ({
    role: index % 2 ? 'assistant' : 'user',
    content: `message ${index}`,
  }));
const bytesOf = (messages: readonly ChatMessage[]) =>
  messages.reduce((sum, message) => sum + Buffer.byteLength(messageText(message)), 0);

test('a model sees the 20 most recent messages', () => {
  const messages = talk(31);
  expect(contextWindow(messages)).toEqual(messages.slice(-20));
});

test('the system prompt is one of the 20', () => {
  const messages = talk(31);
  expect(contextWindow([system, ...messages])).toEqual([system, ...messages.slice(-19)]);
});

test('a short conversation is seen whole', () => {
  const messages = [system, ...talk(3)];
  expect(contextWindow(messages)).toEqual(messages);
});

test('older messages go when the bytes do not suffice, none from between', () => {
  const [first, second, third] = [
    { role: 'user', content: 'a' },
    { role: 'assistant', content: '中'.repeat(10) },
    { role: 'user', content: 'b'.repeat(10) },
  ] as const;
  expect(contextWindow([first, second, third], 20, 41)).toEqual([first, second, third]);
  expect(contextWindow([first, second, third], 20, 40)).toEqual([second, third]);
  expect(contextWindow([first, second, third], 20, 39)).toEqual([third]);
});

test('the newest message and the system prompt stay, however long they are', () => {
  const newest: ChatMessage = { role: 'user', content: 'x'.repeat(limits.maxWindowBytes + 1) };
  expect(contextWindow([system, ...talk(4), newest])).toEqual([system, newest]);
});

test('whatever comes, the window is the end of the conversation, within its limits but for the newest message', () => {
  const message = fc.record({ role: fc.constantFrom('user', 'assistant'), content: fc.string({ unit: 'binary' }) });
  const conversation = fc.array(message, { minLength: 1, maxLength: 30 });
  const check = (rest: ChatMessage[], hasPrompt: boolean, maxMessages: number, maxBytes: number) => {
    const prompt = hasPrompt ? [system] : [];
    const window = contextWindow([...prompt, ...rest], maxMessages, maxBytes);
    const recent = window.slice(prompt.length);
    expect(window.slice(0, prompt.length)).toEqual(prompt);
    expect(recent.length).toBeGreaterThanOrEqual(1);
    expect(recent).toEqual(rest.slice(-recent.length));
    if (recent.length > 1) {
      expect(window.length).toBeLessThanOrEqual(maxMessages);
      expect(bytesOf(window)).toBeLessThanOrEqual(maxBytes);
    }
  };
  const limit = fc.integer({ min: 2, max: 25 });
  fc.assert(fc.property(conversation, fc.boolean(), limit, fc.integer({ min: 0, max: 300 }), check));
});

test('bytes count as they are in JSON, where a control character has six', () => {
  const messages: ChatMessage[] = [
    { role: 'user', content: '\u0001'.repeat(10) },
    { role: 'assistant', content: 'b'.repeat(10) },
    { role: 'user', content: 'c' },
  ];
  expect(contextWindow(messages, 20, 71)).toEqual(messages);
  expect(contextWindow(messages, 20, 70)).toEqual(messages.slice(1));
});
