import type { ChatMessage } from '../../src/contract/chat';
import { limits } from '../../src/contract/limits';
import { chatTurnProblem, conversationProblem, sendMessageProblem } from '../../src/domain/validate-input';

const message = { turnId: 't-1', content: 'Hello', userId: 'u-1', language: 'en', temperature: 0, maxTokens: 1 };
const user: ChatMessage = { role: 'user', content: 'Hello' };
const longId = 'x'.repeat(limits.maxIdLength + 1);

test('what keeps all limits has no problem', () => {
  const longest = 'x'.repeat(limits.maxIdLength);
  expect(sendMessageProblem(message)).toBeNull();
  expect(sendMessageProblem({ turnId: longest, content: 'x'.repeat(limits.maxMessageBytes) })).toBeNull();
  expect(conversationProblem({ sessionId: 's', idleTimeoutMs: limits.minIdleTimeoutMs })).toBeNull();
  expect(chatTurnProblem({ ...message, messages: [user] })).toBeNull();
});

test.each([
  [{ turnId: '' }, 'turnId must be a non-empty string'],
  [{ turnId: 7 }, 'turnId must be a non-empty string'],
  [{ turnId: longId }, `turnId has 201 characters, the limit is ${limits.maxIdLength}`],
  [{ turnId: 'a b' }, 'turnId may hold visible ASCII characters only, without spaces'],
  [{ userId: 'Jürgen' }, 'userId may hold visible ASCII characters only, without spaces'],
  [{ content: ' \n' }, 'content must be a non-empty string'],
  // Bytes count, not characters.
  [{ content: '中'.repeat(21_846) }, `content has 65538 bytes, the limit is ${limits.maxMessageBytes}`],
  [{ language: 'fr' }, 'language must be one of en, zh, ja, ko, th, vi, id, not "fr"'],
  [{ temperature: 2.1 }, 'temperature must be a number from 0 to 2, not 2.1'],
  [{ temperature: Number.NaN }, 'temperature must be a number from 0 to 2, not NaN'],
  [{ maxTokens: 0 }, 'maxTokens must be a whole number of at least 1, not 0'],
  [{ delivery: 'later' }, 'delivery must be one of whole, collected, streamed, not "later"'],
  [{ model: 4 }, 'model must be a string'],
  [{ maxTokens: 1.5 }, 'maxTokens must be a whole number of at least 1, not 1.5'],
])('a message with %j is refused: %s', (change, problem) => {
  expect(sendMessageProblem({ ...message, ...change })).toBe(problem);
});

test.each([
  [{ sessionId: '' }, 'sessionId must be a non-empty string'],
  [{ idleTimeoutMs: 999 }, 'idleTimeoutMs must be a whole number of at least 1000, not 999'],
  [{ systemPrompt: '' }, 'systemPrompt must be a non-empty string'],
  [{ systemPrompt: 'x'.repeat(65_537) }, 'systemPrompt has 65537 bytes, the limit is 65536'],
])('a conversation with %j is refused: %s', (change, problem) => {
  expect(conversationProblem({ sessionId: 's', ...change })).toBe(problem);
});

test.each([
  [{ messages: [] }, 'messages must hold at least one message'],
  [{ messages: [user, { role: 'tool', content: 'x' }] }, 'messages[1].tool_call_id must name the call that it answers'],
  [{ messages: [null] }, 'messages[0].role must be one of system, developer, user, assistant, tool'],
  [{ messages: [{ ...user, content: '' }] }, 'messages[0].content must be a non-empty string'],
  [{ sessionId: longId }, 'sessionId has 201 characters, the limit is 200'],
  [
    { messages: [{ ...user, content: [{ type: 'text', text: 'x' }, { type: 'input_audio' }] }] },
    'messages[0].content[1].type must be one of text, image_url, not "input_audio"',
  ],
  [
    { messages: [{ ...user, content: [{ type: 'refusal', refusal: 'No.' }] }] },
    'messages[0].content[0].type must be one of text, image_url, not "refusal"',
  ],
  [
    { messages: [{ role: 'assistant', content: [{ type: 'file' }] }] },
    'messages[0].content[0].type must be one of text, image_url, refusal, not "file"',
  ],
])('a request with %j is refused: %s', (change, problem) => {
  const request = { ...message, messages: [user], ...change } as Parameters<typeof chatTurnProblem>[0];
  expect(chatTurnProblem(request)).toBe(problem);
});

test.each(['system', 'developer', 'assistant'] as const)('an empty text of role %s is taken beside others', (role) => {
  const empty: ChatMessage = { role, content: '' };
  expect(chatTurnProblem({ ...message, messages: [empty, user] })).toBeNull();
  expect(chatTurnProblem({ ...message, messages: [empty] })).toBe(
    'messages must hold at least one message that is not empty',
  );
});

test('an assistant may have refused in a part of its message', () => {
  const refused: ChatMessage = { role: 'assistant', content: [{ type: 'refusal', refusal: 'No.' }] };
  expect(chatTurnProblem({ ...message, messages: [user, refused, user] })).toBeNull();
});

test('a request is refused when its messages are too long together, though each is short enough', () => {
  const messages = Array.from({ length: 17 }, () => ({ ...user, content: 'x'.repeat(limits.maxMessageBytes) }));
  expect(chatTurnProblem({ ...message, messages })).toBe('messages have 1114112 bytes in all, the limit is 1048576');
});
