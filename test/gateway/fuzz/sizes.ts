import * as fc from 'fast-check';
import { limits } from '../../../src/contract/limits';
import type { FuzzedRequest } from './requests';

/** Below, at and beyond a limit. */
const around = (limit: number) =>
  fc.oneof(
    fc.integer({ min: 1, max: 20 }),
    fc.constantFrom(limit - 1, limit, limit + 1),
    fc.integer({ min: 1, max: 2 * limit }),
  );

const times = <Value>(count: number, make: (index: number) => Value): Value[] =>
  Array.from({ length: count }, (_, index) => make(index));

/** One byte a character, three, one that JSON writes as six, and marks that pile up on a letter. */
const letter = fc.constantFrom('x', '中', '\u0001', '\u0301', '👋', '\ud800', '\\', ' ');
const text = (limit: number) => fc.tuple(letter, around(limit)).map(([each, length]) => each.repeat(length));
const id = text(limits.maxIdLength);

const user = (content: unknown) => ({ role: 'user', content });
const call = (name: string) => ({ id: name, type: 'function', function: { name: 'f', arguments: '{}' } });
const result = (name: string) => ({ role: 'tool', content: 'found', tool_call_id: name });

function nested(depth: number): unknown {
  return JSON.parse(`${'{"a":['.repeat(depth)}1${']}'.repeat(depth)}`) as unknown;
}

/** Bodies that are valid but for their sizes, each large in another direction. */
const sized: fc.Arbitrary<object> = fc.oneof(
  around(limits.maxMessages).map((count) => ({ messages: times(count, () => user('a')) })),
  around(limits.maxParts).map((count) => ({ messages: [user(times(count, () => ({ type: 'text', text: 'a' })))] })),
  around(limits.maxToolCalls).map((count) => ({
    messages: [
      { role: 'assistant', content: null, tool_calls: times(count, (index) => call(`c${index}`)) },
      ...times(Math.min(count, limits.maxMessages - 1), (index) => result(`c${count - 1 - index}`)),
    ],
  })),
  around(limits.maxTools).map((count) => ({
    messages: [user('a')],
    tools: times(count, (index) => ({ type: 'function', function: { name: `f${index}` } })),
  })),
  around(45).map((depth) => ({
    messages: [user('a')],
    tools: [{ type: 'function', function: { name: 'f', parameters: nested(depth) } }],
  })),
  around(limits.maxMessageBytes).map((length) => ({ messages: [user([{ type: 'text', text: 'x'.repeat(length) }])] })),
  text(limits.maxMessageBytes).map((content) => ({ messages: [user(content)] })),
  text(250_000).map((content) => ({ messages: [user(content)] })),
  fc.record({ user: id, session_id: id, user_id: id }).map(({ user: name, ...metadata }) => ({
    messages: [user('a')],
    user: name,
    metadata,
  })),
  id.map((name) => ({ messages: [{ role: 'assistant', content: null, tool_calls: [call(name)] }, result(name)] })),
  text(limits.maxModelLength).map((model) => ({ model, messages: [user('a')] })),
);

/** Requests of every size, in a session and without one. */
export function sizedRequest(key: string): fc.Arbitrary<FuzzedRequest> {
  return fc.tuple(sized, fc.option(fc.uuid(), { freq: 2 }), fc.boolean()).map(([body, session, chunked]) => ({
    method: 'POST',
    path: '/v1/chat/completions',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      ...(session !== null && { 'x-bellwether-session': session }),
    },
    body: JSON.stringify({ model: 'bellwether', ...body }),
    chunked,
  }));
}
