import type { ChatMessage, ChatReply, TranscriptTurn } from '../src/contract/chat';
import { measurePrompt } from '../src/domain/turn/measure-text';
import { Continuation, planContinuation, withPrefill } from '../src/domain/turn/continuation';
import { fingerprints } from '../src/domain/turn/fingerprints';
import { completeToolRounds, orphanedCallId } from '../src/domain/turn/tool-rounds';
import { chatTurnProblem } from '../src/domain/turn/validate-input';
import { contextWindow } from '../src/domain/turn/window';
import { historyOf } from '../src/gateway/session-turn';
import { EventParser } from '../src/providers/event-parser';
import { ConversationState } from '../src/workflows/conversation-state';
import { charactersOf } from './support/counted-characters';
import { readsOf } from './support/counted-reads';

const call = (id: string) => ({ id, type: 'function', function: { name: 'find', arguments: '{}' } });
const result = (id: string): ChatMessage => ({ role: 'tool', content: 'found', tool_call_id: id });
const ids = (count: number) => Array.from({ length: count }, (_, index) => `call_${index}`);
const calls = (count: number): ChatMessage => ({ role: 'assistant', content: null, tool_calls: ids(count).map(call) });

/** Messages in any size. */
const shapes: Readonly<Record<string, (size: number) => ChatMessage[]>> = {
  'one-letter messages': (size) => Array.from({ length: size }, () => ({ role: 'user', content: 'a' })),
  'results without a call': (size) => ids(size).map(result),
  'rounds of one call': (size) => ids(size).flatMap((id) => [{ ...calls(0), tool_calls: [call(id)] }, result(id)]),
  'one round of many calls': (size) => [calls(size), ...ids(size).map(result)],
  'one round in the other order': (size) => [calls(size), ...ids(size).toReversed().map(result)],
  'many results of one call': (size) => [calls(1), ...ids(size).map(() => result('call_0'))],
  'unanswered calls': (size) => [calls(size), ...ids(size).map((id) => result(`other_${id}`))],
  'repeated calls': (size) => [calls(size), { ...calls(size) }, ...ids(size).map(result)],
  parts: (size) => [{ role: 'user', content: ids(size).map((text) => ({ type: 'text', text })) }],
};

const works: Readonly<Record<string, (messages: ChatMessage[]) => unknown>> = {
  completeToolRounds,
  orphanedCallId: (messages) => orphanedCallId(messages, [result('call_0')]),
  contextWindow: (messages) => contextWindow(messages),
  historyOf,
  fingerprints,
  measurePrompt: (messages) => measurePrompt(messages),
  chatTurnProblem: (messages) => chatTurnProblem({ turnId: 't', messages }),
  withPrefill: (messages) => withPrefill(messages, planContinuation('The order')!),
  'the memory of a session': (messages) => {
    const state = new ConversationState('s', undefined, undefined);
    const reply = { content: 'Yes.', success: true, blocked: false, cost_usd: 0, unconfirmed_usd: 0 } as ChatReply;
    state.add({ turnId: 't', atMs: 0, userContent: '', messages, reply } satisfies TranscriptTurn);
    state.orphanedCallIn([result('call_0')]);
    state.askedBefore({ content: '', messages }, 0);
    state.windowWith([{ role: 'user', content: 'And now?' }]);
    state.windowWith([], state.placed({ after: null, history: messages }));
    state.outline('open');
    return state.carry(0);
  },
};

const cases = Object.keys(works).flatMap((work) => Object.keys(shapes).map((shape) => [work, shape] as const));

/** Small, so that Proxies stay fast; quadratic work would be about four times as much at twice the size. */
const size = 200;

test.each(cases)('%s does at most twice the work for twice the input: %s', (work, shape) => {
  const reads = (of: number) => readsOf(shapes[shape]!(of), works[work]!);
  expect(reads(2 * size)).toBeLessThan(2.2 * reads(size) + 100);
});

/** What arrives in pieces, in any number of them. */
const streams: Readonly<Record<string, (count: number) => void>> = {
  'JSON over many lines, after a line of spaces': (count) => {
    const parser = new EventParser(1_000_000, () => undefined, fail);
    parser.feed(`data: ${' '.repeat(50 * count)}x\n`);
    for (let piece = 0; piece < count; piece += 1) parser.feed('data: {\n');
  },
  'a continuation that begins with line breaks': (count) => {
    const continuation = new Continuation(planContinuation('Your order has left our warehouse and'));
    for (let piece = 0; piece < count; piece += 1) continuation.take('\n');
  },
  'a repetition of a long text': (count) => {
    const words = Array.from({ length: count }, (_, index) => `word${1_000 + index} `);
    const continuation = new Continuation(planContinuation(words.join('')));
    for (const word of words) continuation.take(word);
  },
};

function fail(): never {
  throw new Error('It was too long.');
}

test.each(Object.entries(streams))('twice the pieces are at most twice the work: %s', (_case, take) => {
  const characters = (count: number) => charactersOf(() => take(count));
  expect(characters(2 * size)).toBeLessThan(2.2 * characters(size) + 100);
});
