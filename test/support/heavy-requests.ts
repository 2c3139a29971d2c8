import type { ChatMessage } from '../../src/contract/chat';
import { limits } from '../../src/contract/limits';

const call = (id: string) => ({ id, type: 'function', function: { name: 'f', arguments: '{}' } });
const result = (id: string): ChatMessage => ({ role: 'tool', content: '1', tool_call_id: id });
const times = <Value>(count: number, make: (index: number) => Value): Value[] =>
  Array.from({ length: count }, (_, index) => make(index));
const user = (content: ChatMessage['content']): ChatMessage => ({ role: 'user', content });

/** As often as it fits into a body of 1 MiB besides the other fields. */
const filling = (text: string, bytes = Buffer.byteLength(JSON.stringify(text)) - 2): string =>
  text.repeat(Math.floor((1024 * 1024 - 500) / bytes));

const wide = (count: number) => Object.fromEntries(times(count, (index) => [`k${index}`, { type: 'string' }]));

interface HeavyRequest {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly unknown[];
  readonly [field: string]: unknown;
}

/** The heaviest accepted requests, one of each kind: at the limits of counts or bytes. */
export const heaviestTaken: Readonly<Record<string, HeavyRequest>> = {
  'one-letter messages': { messages: times(limits.maxMessages, () => user('a')) },
  'rounds of tools': {
    messages: times(limits.maxMessages / 2, (index) => [
      { role: 'assistant' as const, content: null, tool_calls: [call(`c${index}`)] },
      result(`c${index}`),
    ]).flat(),
  },
  'calls of one message': {
    messages: [
      { role: 'assistant', content: null, tool_calls: times(limits.maxToolCalls, (index) => call(`c${index}`)) },
      ...times(limits.maxMessages - 1, (index) => result(`c${limits.maxToolCalls - 1 - index}`)),
    ],
  },
  parts: { messages: [user(times(limits.maxParts, () => ({ type: 'text' as const, text: 'a' })))] },
  'a wide schema': {
    messages: [user('a')],
    tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: wide(24_000) } } }],
  },
  'long messages': { messages: times(1_900, () => user('x'.repeat(500))) },
  Chinese: { messages: [user(filling('中'))] },
  backslashes: { messages: [user(filling('\\'))] },
  'control characters': { messages: [user(filling('\u0001'))] },
  'marks on letters': { messages: [user(`a${filling('\u0301\u0323')}`)] },
};

/** Refused requests that used to be the heaviest. */
export const heaviestRefused: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  '34,000 one-letter messages': { messages: times(33_000, () => user('a')) },
  'half a million messages without fields': { messages: times(340_000, () => ({})) },
  'parts without text': {
    messages: times(10, () => ({ role: 'user', content: times(4_000, () => ({ type: 'text' })) })),
  },
  'biases that are not numbers': {
    messages: [user('a')],
    logit_bias: Object.fromEntries(times(49_000, (index) => [`k${index}`, ''])),
  },
  'a wide object': { messages: [user('a')], metadata: Object.fromEntries(times(90_000, (index) => [`k${index}`, 1])) },
  'a deep object': {
    messages: [user('a')],
    metadata: times(1, () => JSON.parse('['.repeat(200) + ']'.repeat(200)) as unknown),
  },
};
