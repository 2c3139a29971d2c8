import type { ChatMessage } from '../../../src/contract/chat';
import { limits } from '../../../src/contract/limits';
import { describeProblem, type Problem } from '../../../src/contract/problem';
import * as validators from '../../../src/domain/turn/validate-input';

const inWords =
  <Input>(validate: (input: Input) => Problem | null) =>
  (input: Input): string | null => {
    const problem = validate(input);
    return problem && describeProblem(problem);
  };
const sendMessageProblem = inWords(validators.sendMessageProblem);
const conversationProblem = inWords(validators.conversationProblem);
const chatTurnProblem = inWords(validators.chatTurnProblem);
const { chatTurnFieldsProblem } = validators;

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
  [{ messages: [{ ...user, content: null }] }, 'messages[0].content must be a string or a list of parts'],
  [{ messages: [user, { role: 'assistant', content: 7 }] }, 'messages[1].content must be a string or a list of parts'],
  [
    { messages: [user, { role: 'assistant', content: 'x', reasoning_content: {} }] },
    'messages[1].reasoning_content must be a string',
  ],
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

test.each<[string, ChatMessage]>([
  ['an empty text of a user', { role: 'user', content: '' }],
  ['a line break of a user', { role: 'user', content: '\n' }],
  ['line breaks beside calls', { role: 'assistant', content: '\n\n', tool_calls: [{ id: 'c', type: 'function' }] }],
  [
    'thoughts beside calls',
    { role: 'assistant', content: null, reasoning_content: 'Hm.', tool_calls: [{ id: 'c', type: 'function' }] },
  ],
  ['an answer of line breaks', { role: 'assistant', content: '\n' }],
  ['an answer of nothing', { role: 'assistant', content: null }],
  ['an answer without content', { role: 'assistant' } as unknown as ChatMessage],
  ['an answer without parts', { role: 'assistant', content: [] }],
  ['a line break of a tool', { role: 'tool', content: '\n', tool_call_id: 'c' }],
  ['nothing from a tool', { role: 'tool', content: null, tool_call_id: 'c' }],
  ['a tool’s result without content', { role: 'tool', tool_call_id: 'c' } as unknown as ChatMessage],
  ['no parts from a tool', { role: 'tool', content: [], tool_call_id: 'c' }],
])('%s is taken, in a session and without one', (_, taken) => {
  expect(chatTurnProblem({ ...message, messages: [user, taken] })).toBeNull();
  expect(sendMessageProblem({ ...message, messages: [taken, user] })).toBeNull();
  expect(conversationProblem({ sessionId: 's', history: [user, taken] })).toBeNull();
});

test('an assistant may have refused in a part of its message', () => {
  const refused: ChatMessage = { role: 'assistant', content: [{ type: 'refusal', refusal: 'No.' }] };
  expect(chatTurnProblem({ ...message, messages: [user, refused, user] })).toBeNull();
});

test('a request is refused when its messages are too long together, though each is short enough', () => {
  const messages = Array.from({ length: 17 }, () => ({ ...user, content: 'x'.repeat(limits.maxMessageBytes) }));
  expect(chatTurnProblem({ ...message, messages })).toBe('messages have 1114112 bytes in all, the limit is 1048576');
});

const calls = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ id: `call_${index}`, type: 'function' }));
const many = <Value>(count: number, value: Value): Value[] => Array.from({ length: count }, () => value);
const part = { type: 'text', text: 'x' } as const;

test('a long history of an agent with tools passes, and so do lists at their limits', () => {
  const round: ChatMessage[] = [
    { role: 'assistant', content: null, tool_calls: calls(2) },
    { role: 'tool', content: 'x'.repeat(500), tool_call_id: 'call_0' },
    { role: 'tool', content: 'x'.repeat(500), tool_call_id: 'call_1' },
  ];
  expect(chatTurnProblem({ ...message, messages: [user, ...many(300, round).flat()] })).toBeNull();
  expect(chatTurnProblem({ ...message, messages: many(limits.maxMessages, user) })).toBeNull();
  const parts = [{ ...user, content: many(limits.maxParts, part) }];
  expect(chatTurnProblem({ ...message, messages: parts })).toBeNull();
  const called: ChatMessage = { role: 'assistant', content: null, tool_calls: calls(limits.maxToolCalls) };
  expect(chatTurnProblem({ ...message, messages: [user, called] })).toBeNull();
  expect(
    chatTurnProblem({ ...message, messages: [user], modelOptions: { tools: many(limits.maxTools, {}) } }),
  ).toBeNull();
});

test.each<[string, object, string]>([
  ['messages', { messages: many(2_001, user) }, 'messages have 2001 entries, the limit is 2000'],
  [
    'parts of a message',
    { messages: [{ ...user, content: many(4_001, part) }] },
    'messages have 4001 parts in all, the limit is 4000',
  ],
  [
    'parts of several messages',
    { messages: many(41, { ...user, content: many(100, part) }) },
    'messages have 4100 parts in all, the limit is 4000',
  ],
  [
    'tool calls',
    { messages: [user, ...many(2, { role: 'assistant', content: null, tool_calls: calls(1_001) })] },
    'messages have 2002 tool_calls in all, the limit is 2000',
  ],
  [
    'tools',
    { messages: [user], modelOptions: { tools: many(129, {}) } },
    'modelOptions.tools have 129 entries, the limit is 128',
  ],
  [
    'tool calls that are no list',
    { messages: [user, { role: 'assistant', content: 'x', tool_calls: 'none' }] },
    'messages[1].tool_calls must be a list of calls',
  ],
  [
    'a tool call that is nothing',
    { messages: [user, { role: 'assistant', content: 'x', tool_calls: [null] }] },
    'messages[1].tool_calls[0] must be an object with an id',
  ],
])('too many %s, or wrong ones, are refused in a session and without one', (_, change, problem) => {
  const request = { ...message, messages: [user], ...change } as Parameters<typeof chatTurnProblem>[0];
  expect(chatTurnProblem(request)).toBe(problem);
  expect(sendMessageProblem(request)).toBe(problem);
});

test('what an open turn began with before lists had limits is still no problem of its fields', () => {
  expect(chatTurnFieldsProblem({ ...message, messages: many(30_000, user) })).toBeNull();
});

test('what a workflow checks is no younger than the workflows that are replayed', () => {
  const history = [{ role: 'assistant', content: 'x', reasoning_content: 7 }] as unknown as ChatMessage[];
  const problem = 'reasoning_content must be a string';
  expect(conversationProblem({ sessionId: 's', history })).toBe(`history[0].${problem}`);
  expect(validators.conversationFieldsProblem({ sessionId: 's', history })).toBeNull();
  const request = { ...message, messages: [user, ...history] };
  expect(chatTurnProblem(request)).toBe(`messages[1].${problem}`);
  expect(chatTurnFieldsProblem(request)).toBeNull();
  expect(sendMessageProblem(request)).toBe(`messages[1].${problem}`);
});

describe('a request that Temporal would refuse for its size as JSON', () => {
  const sayBytes = /^the request has \d+ bytes as JSON, at most 1572864 are taken$/;
  const controls = '\u0001'.repeat(20_000);
  const history = many(5, { role: 'user' as const, content: controls });

  test('is refused as a whole, and not by the workflow', () => {
    const request = { ...message, messages: many(14, { role: 'user' as const, content: controls }) };
    expect(chatTurnProblem(request)).toMatch(sayBytes);
    expect(chatTurnFieldsProblem(request)).toBeNull();
    expect(sendMessageProblem(request)).toMatch(sayBytes);
    expect(validators.sendMessageFieldsProblem(request)).toBeNull();
  });

  test('is measured without the start of its conversation, which is a payload of its own', () => {
    const messages = many(7, { role: 'user' as const, content: controls });
    const branch = { after: null, history };
    expect(sendMessageProblem({ ...message, messages, branch, ...{ history } })).toBeNull();
  });
});

test('a history with a tool call that is nothing is refused', () => {
  const history = [{ role: 'assistant', content: 'x', tool_calls: [null] }] as unknown as ChatMessage[];
  expect(conversationProblem({ sessionId: 's', history })).toBe(
    'history[0].tool_calls[0] must be an object with an id',
  );
});

describe('parts of messages', () => {
  const textOf = (length: number) => ({ type: 'text', text: 'x'.repeat(length) }) as const;
  const withParts = (...content: NonNullable<ChatMessage['content']>[number][]) =>
    [{ role: 'user', content }] as unknown as ChatMessage[];
  const image = (url: unknown) => withParts(textOf(1), { type: 'image_url', image_url: { url } } as never);
  const tooLong = (path: string, bytes: number, limit: number) => `${path} has ${bytes} bytes, the limit is ${limit}`;
  const sent = (changes: object) => sendMessageProblem({ turnId: 't', content: '', messages: undefined, ...changes });

  test('are together as long as the text of one message may be', () => {
    const limit = limits.maxMessageBytes;
    const [fitting, longer] = [withParts(textOf(limit)), withParts(textOf(limit / 2), textOf(limit / 2), textOf(1))];
    expect(sent({ messages: fitting })).toBeNull();
    expect(sent({ messages: longer })).toBe(tooLong('messages[0].content', limit + 1, limit));
    expect(chatTurnProblem({ turnId: 't', messages: longer })).toBe(tooLong('messages[0].content', limit + 1, limit));
    expect(chatTurnProblem({ turnId: 't', messages: longer, keepAllMessages: true })).toBeNull();
    // Wherever in a part it is.
    const hidden = withParts({ type: 'text', text: 'x', extra: 'x'.repeat(limit) } as never);
    expect(sent({ messages: hidden })).toContain('messages[0].content has');
  });

  test('do not count inline pictures', () => {
    expect(sent({ messages: image(`data:image/png;base64,${'A'.repeat(100_000)}`) })).toBeNull();
  });

  test.each([
    'https://example.com/cat.png',
    'HTTPS://example.com/cat.png',
    'data:image/png;base64,AAAA',
    'DATA:image/svg+xml;charset=utf-8;base64,AAAA',
    'bellwether-image:sha256-00',
  ])('may show %s', (url) => {
    expect(chatTurnProblem({ turnId: 't', messages: image(url) })).toBeNull();
    expect(sent({ messages: image(url) })).toBeNull();
    expect(conversationProblem({ sessionId: 's', history: image(url) })).toBeNull();
  });

  test.each([
    'http://example.com/cat.png',
    ' https://example.com/cat.png',
    'https:///cat.png',
    'ftp://example.com/cat.png',
    'file:///etc/passwd',
    'javascript:alert(1)',
    '//example.com/cat.png',
    'cat.png',
    'data:text/html;base64,AAAA',
    'data:image/svg+xml,<svg/>',
    'data:image/png;base64,',
    '',
    undefined,
    7,
  ])('do not show %j, wherever they are', (url) => {
    const refusal = (path: string) =>
      `${path}.content[1].image_url.url must begin with https://, or be a data URL of an image in base64: data:image/png;base64,…`;
    const messages = image(url);
    expect(chatTurnProblem({ turnId: 't', messages, keepAllMessages: true })).toBe(refusal('messages[0]'));
    expect(sent({ messages })).toBe(refusal('messages[0]'));
    expect(conversationProblem({ sessionId: 's', history: messages })).toBe(refusal('history[0]'));
    for (const field of ['before', 'history']) {
      const branch = { after: 't-1', [field]: messages };
      expect(sent({ content: 'x', branch })).toBe(refusal(`branch.${field}[0]`));
    }
  });
});

test('the name of a model is as long as a configured one may be', () => {
  const [longest, longer] = ['m'.repeat(limits.maxModelLength), 'm'.repeat(limits.maxModelLength + 1)];
  expect(sendMessageProblem({ ...message, model: longest })).toBeNull();
  expect(sendMessageProblem({ ...message, model: longer })).toBe('model has 201 characters, the limit is 200');
  expect(chatTurnProblem({ ...message, messages: [user], model: longer })).toBe(
    'model has 201 characters, the limit is 200',
  );
  // Turns that are replayed may have begun with it.
  expect(chatTurnFieldsProblem({ ...message, messages: [user], model: longer })).toBeNull();
});
