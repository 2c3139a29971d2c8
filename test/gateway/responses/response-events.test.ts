import * as fc from 'fast-check';
import { accumulateResponse } from 'openai/lib/responses/ResponseAccumulator';
import type { ChatReply } from '../../../src/contract/chat';
import { advance, type AnswerPosition, answerStart, AnswerSoFar } from '../../../src/domain/stream/answer-so-far';
import { GatewayError } from '../../../src/gateway/gateway-error';
import { positionOf, ResponseEvents } from '../../../src/gateway/responses/response-events';
import { plainEcho, toResponse } from '../../../src/gateway/responses/response-object';

const turn = { turnId: 't1', createdAtMs: 1_700_000_000_000 };

const reply: ChatReply = {
  turn_id: 't1',
  session_id: null,
  content: '',
  provider: 'holysheep-primary',
  model: 'deepseek-v3.2',
  handler: 'holysheep',
  canary: false,
  attempts: 1,
  latency_ms: 300,
  tokens_used: 15,
  cost_usd: 0.1,
  unconfirmed_usd: 0,
  success: true,
  error: null,
  finish_reason: 'stop',
  blocked: false,
  remaining_budget: 1,
};

type Accumulated = Parameters<typeof accumulateResponse>[0];
type Snapshot = ReturnType<typeof accumulateResponse>;

interface TestEvent {
  readonly type: string;
  readonly sequence_number: number;
  readonly delta?: string;
}

/** What a reader gets whose text comes in these pieces. */
function read(pieces: readonly string[], answered: ChatReply, after = -1): TestEvent[] {
  const events = new ResponseEvents(turn, plainEcho, after);
  const sent = [...events.begin()];
  let position: AnswerPosition = positionOf(after) ?? answerStart;
  const soFar = new AnswerSoFar(positionOf(after));
  let at = 0;
  for (const text of pieces) {
    const fresh = soFar.take({ attempt: 1, at, text });
    at += text.length;
    if (fresh === '') continue;
    position = advance(position, fresh);
    sent.push(...events.text(fresh, position));
  }
  sent.push(...events.answered(answered));
  return sent.map(parsed);
}

function parsed(text: string): TestEvent {
  return JSON.parse(/\ndata: ([^\n]*)\n/.exec(text)?.[1] ?? '') as TestEvent;
}

const call = (id: string) => ({ id, type: 'function', function: { name: 'find_order', arguments: '{"id":7}' } });
const replies = fc.record(
  {
    reasoning_content: fc.string({ minLength: 1 }),
    refusal: fc.string({ minLength: 1 }),
    tool_calls: fc.array(fc.string({ minLength: 1 }).map(call), { minLength: 1, maxLength: 30 }),
    finish_reason: fc.constantFrom('stop', 'length', 'content_filter', 'tool_calls'),
  },
  { requiredKeys: [] },
);
const texts = fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }), { maxLength: 8 });

const textOf = (events: readonly TestEvent[]): string =>
  events.flatMap(({ type, delta }) => (type === 'response.output_text.delta' ? [delta] : [])).join('');

test('numbers grow, fit into 32 bits, and the last event has the whole response', () => {
  fc.assert(
    fc.property(texts, replies, (pieces, more) => {
      const answered = { ...reply, ...more, content: pieces.join('') };
      const events = read(pieces, answered);
      const numbers = events.map(({ sequence_number }) => sequence_number);
      expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
      expect(numbers.at(-1)).toBeLessThan(2 ** 31);
      expect(textOf(events)).toBe(answered.content);
      const response = toResponse(answered, turn, plainEcho);
      expect(events.at(-1)).toMatchObject({ type: `response.${response.status}`, response });
      expect(events.slice(0, 2).map(({ type }) => type)).toEqual(['response.created', 'response.in_progress']);
    }),
  );
});

test("OpenAI's own accumulator makes the whole response from the events", () => {
  fc.assert(
    fc.property(texts, replies, (pieces, more) => {
      const answered = { ...reply, ...more, content: pieces.join('') };
      let snapshot: Snapshot | undefined;
      const events = read(pieces, answered);
      for (const event of events.slice(0, -1)) snapshot = accumulateResponse(event as unknown as Accumulated, snapshot);
      // By the deltas and items alone: the last event would bring the whole response in any case.
      expect(snapshot?.output).toEqual(toResponse(answered, turn, plainEcho).output);
    }),
  );
});

test('a reader who comes back gets exactly what follows, however its text is cut now', () => {
  fc.assert(
    fc.property(texts, texts, replies, fc.nat(), (pieces, others, more, choice) => {
      const content = pieces.join('');
      const answered = { ...reply, ...more, content };
      const events = read(pieces, answered);
      const had = choice % events.length;
      const after = events[had]?.sequence_number ?? -1;
      const rest = read(cutLike(content, others), answered, after);
      const kinds = (all: readonly TestEvent[]) =>
        all.filter(({ type }) => type !== 'response.output_text.delta').map(({ type }) => type);
      expect(textOf(events.slice(0, had + 1)) + textOf(rest)).toBe(content);
      expect(kinds(rest)).toEqual(kinds(events.slice(had + 1)));
      for (const { sequence_number } of rest) expect(sequence_number).toBeGreaterThan(after);
    }),
  );
});

/** The same text with the ends of pieces where others have them. */
function cutLike(content: string, others: readonly string[]): string[] {
  const pieces: string[] = [];
  let rest = content;
  for (const { length } of others) {
    pieces.push(rest.slice(0, length));
    rest = rest.slice(length);
  }
  return [...pieces, rest].filter((piece) => piece !== '');
}

test('another answer is told from the one that a reader had', () => {
  const after = read(['It is on '], { ...reply, content: 'It is on ' }).findLast(({ delta }) => delta)?.sequence_number;
  const soFar = new AnswerSoFar(positionOf(after ?? 0));
  expect(soFar.finish('It is in the mail.').kind).toBe('diverged');
  expect(new AnswerSoFar(positionOf(after ?? 0)).finish('It is on its way.')).toEqual({
    kind: 'rest',
    text: 'its way.',
  });
});

/** The events of a stream that this text is sent in and that then ends with this error. */
function broken(text: string, error: GatewayError, after = -1): TestEvent[] {
  const events = new ResponseEvents(turn, plainEcho, after);
  const sent = [...events.begin()];
  if (text !== '') sent.push(...events.text(text, advance(answerStart, text)));
  sent.push(...events.failed(error));
  return sent.map(parsed);
}

test.each([
  'stream_diverged',
  'gateway_stopped_waiting',
  'gateway_stopping',
  'deadline_exceeded',
  'temporal_unreachable',
  'ledger_unavailable',
  'internal_error',
  'turn_not_kept',
] as const)('%s says nothing of the response itself, and whoever comes back misses nothing', (name) => {
  for (const text of ['', 'It is on ']) {
    const content = 'It is on its way.';
    const had = broken(text, new GatewayError(name, 'told'));
    expect(had.at(-1)).toMatchObject({ type: 'error', message: 'told' });
    const rest = read([content], { ...reply, content }, had.at(-1)?.sequence_number);
    const whole = read([content], { ...reply, content });
    expect(textOf(had) + textOf(rest)).toBe(content);
    expect(rest.slice(-4).map(({ type }) => type)).toEqual(whole.slice(-4).map(({ type }) => type));
  }
});

test('a turn that failed is a response that failed', () => {
  const events = broken('It is on ', new GatewayError('provider_timeout', 'told'));
  expect(events.at(-1)).toMatchObject({ type: 'response.failed', response: { status: 'failed' } });
});

test('a reader who has all of the text and more is told of an error, too', () => {
  const content = 'It is on its way.';
  const after = read([content], { ...reply, content }).at(-2)?.sequence_number ?? -1;
  expect(broken('', new GatewayError('temporal_unreachable', 'told'), after)).toEqual([
    expect.objectContaining({ type: 'error', sequence_number: after }),
  ]);
});
