import type { ChatMessage } from '../../src/contract/chat';
import { limits } from '../../src/contract/limits';

/**
 * What is wrong with a turn, in the words of the validators, the client and the workflow, and in those of the gateway.
 */
export interface WrongTurn {
  readonly title: string;
  /** Options of `complete`, added to a valid request; or of `send` if they name a session. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly path: string;
  readonly message: string;
  /** Omitted if the gateway makes the field itself, or its schema is stricter. */
  readonly gateway?: {
    /** Added to a valid body. */
    readonly body: Readonly<Record<string, unknown>>;
    readonly session?: boolean;
    readonly param: string;
    readonly message: string;
  };
}

const user: ChatMessage = { role: 'user', content: 'Hello' };
const answer: ChatMessage = { role: 'assistant', content: 'Yes?' };
const many = <Value>(count: number, value: Value): Value[] => Array.from({ length: count }, () => value);
const calls = (count: number) => many(count, { id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } });
const tool = { type: 'function', function: { name: 'f' } };
const longText = 'x'.repeat(limits.maxMessageBytes + 1);

/** The same messages in the client's options and in the body of a request. */
function wrongMessages(title: string, messages: readonly unknown[], path: string, message: string): WrongTurn {
  return { title, options: { messages }, path, message, gateway: { body: { messages }, param: path, message } };
}

export const wrongTurns: readonly WrongTurn[] = [
  { title: 'an empty turn id', options: { turnId: '' }, path: 'turnId', message: 'must be a non-empty string' },
  {
    title: 'a turn id with a space',
    options: { turnId: 'a b' },
    path: 'turnId',
    message: 'may hold visible ASCII characters only, without spaces',
  },
  {
    title: 'a user without a name',
    options: { userId: '' },
    path: 'userId',
    message: 'must be a non-empty string',
  },
  { title: 'a key id that is a number', options: { keyId: 7 }, path: 'keyId', message: 'must be a non-empty string' },
  {
    title: 'an unknown language',
    options: { language: 'fr' },
    path: 'language',
    message: 'must be one of en, zh, ja, ko, th, vi, id, not "fr"',
  },
  {
    title: 'an unknown delivery',
    options: { delivery: 'later' },
    path: 'delivery',
    message: 'must be one of whole, collected, streamed, not "later"',
  },
  {
    title: 'a time to start by that is no time',
    options: { startByMs: -1 },
    path: 'startByMs',
    message: 'must be a whole number of at least 0, not -1',
  },
  { title: 'a model that is a number', options: { model: 4 }, path: 'model', message: 'must be a string' },
  {
    title: 'model options that are a string',
    options: { modelOptions: 'x' },
    path: 'modelOptions',
    message: 'must be an object',
  },
  {
    title: 'a temperature of 3',
    options: { temperature: 3 },
    path: 'temperature',
    message: 'must be a number from 0 to 2, not 3',
    gateway: { body: { temperature: 3 }, param: 'temperature', message: 'must be at most 2' },
  },
  {
    title: 'no tokens',
    options: { maxTokens: 0 },
    path: 'maxTokens',
    message: 'must be a whole number of at least 1, not 0',
    gateway: { body: { max_tokens: 0 }, param: 'max_tokens', message: 'must be at least 1' },
  },
  { title: 'no message', options: { messages: [] }, path: 'messages', message: 'must hold at least one message' },
  wrongMessages(
    'only an empty prompt',
    [{ role: 'system', content: '' }],
    'messages',
    'must hold at least one message that is not empty',
  ),
  {
    title: 'an unknown role',
    options: { messages: [user, { role: 'robot', content: 'x' }] },
    path: 'messages[1].role',
    message: 'must be one of system, developer, user, assistant, tool',
    gateway: {
      body: { messages: [user, { role: 'robot', content: 'x' }] },
      param: 'messages[1].role',
      message: 'must be one of system, developer, user, assistant, tool',
    },
  },
  {
    title: 'messages that are all empty',
    options: { messages: [{ role: 'system', content: ' ' }] },
    path: 'messages',
    message: 'must hold at least one message that is not empty',
    gateway: {
      body: { messages: [{ role: 'system', content: ' ' }] },
      param: 'messages',
      message: 'must hold at least one message that is not empty',
    },
  },
  {
    title: 'a result without a call',
    options: { messages: [user, { role: 'tool', content: 'x' }] },
    path: 'messages[1].tool_call_id',
    message: 'must name the call that it answers',
    gateway: {
      body: { messages: [user, { role: 'tool', content: 'x' }] },
      param: 'messages[1].tool_call_id',
      message: 'is missing',
    },
  },
  {
    title: 'a tool of the provider, which charges for it',
    options: { modelOptions: { tools: [tool, { type: 'web_search' }] } },
    path: 'modelOptions.tools[1].type',
    message:
      'must be one of function, custom, not "web_search": providers charge for their own tools, and no budget here covers that',
    gateway: {
      body: { tools: [tool, { type: 'web_search' }] },
      param: 'tools[1].type',
      message:
        'must be one of function, custom, not "web_search": providers charge for their own tools, and no budget here covers that',
    },
  },
  {
    title: 'a search that the provider makes',
    options: { modelOptions: { enable_search: true } },
    path: 'modelOptions.enable_search',
    message: 'is not offered: providers charge an extra fee for it, which no budget here covers; use tools',
    gateway: {
      body: { enable_search: true },
      param: 'enable_search',
      message: 'is not offered: providers charge an extra fee for it, which no budget here covers; use tools',
    },
  },
  {
    title: 'a limit in an extra body',
    options: { modelOptions: { extra_body: { max_tokens: 100_000, n: 5 } } },
    path: 'modelOptions.extra_body.max_tokens',
    message: 'is not offered: only google.thinking_config is passed on from extra_body; put other fields next to model',
    gateway: {
      body: { extra_body: { max_tokens: 100_000, n: 5 } },
      param: 'extra_body.max_tokens',
      message:
        'is not offered: only google.thinking_config is passed on from extra_body; put other fields next to model',
    },
  },
  {
    title: 'the options of Ollama, where its limit is',
    options: { modelOptions: { options: { num_predict: 100_000 } } },
    path: 'modelOptions.options',
    message: 'is not offered: put its fields next to model, where limits apply',
  },
  {
    title: 'a budget for more thoughts than any model has',
    options: { modelOptions: { thinking: { type: 'enabled', budget_tokens: 200_000 } } },
    path: 'modelOptions.thinking.budget_tokens',
    message: 'must be a whole number from 0 to 131072',
    gateway: {
      body: { thinking: { type: 'enabled', budget_tokens: 200_000 } },
      param: 'thinking.budget_tokens',
      message: 'must be a whole number from 0 to 131072',
    },
  },
  wrongMessages(
    'a sound',
    [{ role: 'user', content: [{ type: 'text', text: 'x' }, { type: 'input_audio' }] }],
    'messages[0].content[1].type',
    'must be one of text, image_url, not "input_audio"',
  ),
  {
    title: 'a long message',
    options: { messages: [user, { role: 'user', content: longText }] },
    path: 'messages[1].content',
    message: 'has 65537 bytes, the limit is 65536',
  },
  wrongMessages('too many messages', many(2_001, user), 'messages', 'have 2001 entries, the limit is 2000'),
  wrongMessages(
    'too many parts',
    many(41, { role: 'user', content: many(100, { type: 'text', text: 'x' }) }),
    'messages',
    'have 4100 parts in all, the limit is 4000',
  ),
  wrongMessages(
    'too many calls',
    [user, { role: 'assistant', content: null, tool_calls: calls(2_001) }],
    'messages',
    'have 2001 tool_calls in all, the limit is 2000',
  ),
  {
    title: 'a null call',
    options: { messages: [user, { role: 'assistant', content: 'x', tool_calls: [null] }] },
    path: 'messages[1].tool_calls[0]',
    message: 'must be an object with an id',
    gateway: {
      body: { messages: [user, { role: 'assistant', content: 'x', tool_calls: [null] }] },
      param: 'messages[1].tool_calls[0]',
      message: 'must be an object with an id',
    },
  },
  {
    title: 'too many tools',
    options: { modelOptions: { tools: many(129, tool) } },
    path: 'modelOptions.tools',
    message: 'have 129 entries, the limit is 128',
    gateway: { body: { tools: many(129, tool) }, param: 'tools', message: 'have 129 entries, the limit is 128' },
  },
  {
    title: 'an empty session id',
    options: { sessionId: '', content: 'Hello' },
    path: 'sessionId',
    message: 'must be a non-empty string',
  },
  {
    title: 'a session with an idle timeout of a millisecond',
    options: { sessionId: 's', content: 'Hello', idleTimeoutMs: 1 },
    path: 'idleTimeoutMs',
    message: 'must be a whole number of at least 1000, not 1',
  },
  {
    title: 'a history with an unknown role',
    options: { sessionId: 's', content: 'Hello', history: [user, { role: 'robot', content: 'x' }] },
    path: 'history[1].role',
    message: 'must be one of system, developer, user, assistant, tool',
  },
  {
    title: 'an empty message of a session',
    options: { sessionId: 's', content: ' ' },
    path: 'content',
    message: 'must be a non-empty string',
  },
  {
    title: 'a long message of a session',
    options: { sessionId: 's', content: longText },
    path: 'content',
    message: 'has 65537 bytes, the limit is 65536',
    gateway: {
      body: { messages: [user, answer, { role: 'user', content: longText }] },
      session: true,
      param: 'messages[2].content',
      message: 'has 65537 bytes, the limit is 65536',
    },
  },
  {
    title: 'a long message among several new ones',
    options: { sessionId: 's', content: '', messages: [user, { role: 'user', content: longText }] },
    path: 'messages[1].content',
    message: 'has 65537 bytes, the limit is 65536',
    gateway: {
      body: { messages: [user, answer, user, { role: 'user', content: longText }] },
      session: true,
      param: 'messages[3].content',
      message: 'has 65537 bytes, the limit is 65536',
    },
  },
  {
    title: 'a long system prompt of a session',
    options: { sessionId: 's', content: 'Hello', systemPrompt: longText },
    path: 'systemPrompt',
    message: 'has 65537 bytes, the limit is 65536',
    gateway: {
      body: { messages: [{ role: 'system', content: longText }, user] },
      session: true,
      param: 'messages[0].content',
      message: 'has 65537 bytes, the limit is 65536',
    },
  },
];
