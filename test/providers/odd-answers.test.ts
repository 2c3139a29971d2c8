/** What a provider may say beside its text, over real HTTP: none of it may end a call badly or grow without bound. */
import { limits } from '../../src/contract/limits';
import { createProvider } from '../../src/providers/openai-compatible';
import type { CompletionResult } from '../../src/contract/provider';
import { startMisbehavingServer } from '../support/misbehaving-server';
import { completionRequest, model, patient } from './completion-request';

const longText = 'x'.repeat(300_000);

type Delivery = 'whole' | 'streamed';
const deliveries: readonly Delivery[] = ['whole', 'streamed'];

/** The answer to one call of a server that says just this. */
async function answerOf(head: string, body: string, delivery: Delivery = 'whole'): Promise<CompletionResult> {
  const server = await startMisbehavingServer((socket) => {
    socket.end(`HTTP/1.1 ${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  });
  const provider = createProvider({
    name: 'holysheep',
    baseUrl: `http://${server.address}/v1`,
    readApiKey: () => undefined,
    maxConnections: 1,
    maxResponseBytes: 8 * 1024 * 1024,
  });
  try {
    const stream = delivery === 'streamed' ? { limits: patient, onText: () => undefined } : undefined;
    return await provider.complete(completionRequest({ stream }));
  } finally {
    await provider.close();
    await server.close();
  }
}

interface Said {
  readonly model?: unknown;
  readonly finishReason?: unknown;
  readonly message: object;
  readonly usage?: unknown;
}

/** As one body, or as a stream of one chunk. */
function say({ finishReason = 'stop', message, ...rest }: Said, delivery: Delivery): Promise<CompletionResult> {
  if (delivery === 'whole') {
    const body = { ...rest, choices: [{ message, finish_reason: finishReason }] };
    return answerOf('200 OK\r\ncontent-type: application/json', JSON.stringify(body));
  }
  const chunk = { ...rest, choices: [{ index: 0, delta: message, finish_reason: finishReason }] };
  const events = `data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`;
  return answerOf('200 OK\r\ncontent-type: text/event-stream', events, 'streamed');
}

describe.each(deliveries)('an answer that comes %s', (delivery) => {
  const message = { content: 'Hello.' };

  test.each<[string, unknown]>([
    ['of 300 KB', longText],
    ['that is no text', { name: model }],
    ['with a character that no database takes', 'deep\u0000seek'],
    ['with half a character', 'deep\ud800seek'],
    ['that is empty', ''],
  ])('and names a model %s is one of the model that was asked', async (_case, name) => {
    expect(await say({ model: name, message }, delivery)).toMatchObject({
      kind: 'completed',
      content: 'Hello.',
      model,
    });
  });

  test.each<[string, string]>([
    ['of 300 KB', longText],
    ['with a character that no database takes', 'st\u0000op'],
  ])('and ends for a reason %s ends for an unknown reason', async (_case, finishReason) => {
    const result = await say({ finishReason, message }, delivery);
    expect(result).toMatchObject({ kind: 'completed', content: 'Hello.', finishReason: null });
  });

  test.each<[string, unknown]>([
    ['a text', 'many'],
    ['digits', '12'],
    ['true', true],
    ['a number', 7],
    ['a list', [1, 2]],
    ['lists of lists', { prompt_tokens: [[]], completion_tokens: { value: 1 }, prompt_tokens_details: [[]] }],
    ['an empty object', {}],
    ['huge numbers', { prompt_tokens: 1e300, completion_tokens: 1e15, total_tokens: -1 }],
    ['300 KB', { prompt_tokens: longText, completion_tokens: longText }],
  ])('and has %s for its usage is an answer', async (_case, usage) => {
    const result = await say({ message, usage }, delivery);
    expect(result).toMatchObject({ kind: 'completed', content: 'Hello.', finishReason: 'stop' });
    expect(result).toMatchObject({ usage: { cachedPromptTokens: 0 } });
  });

  test('and has null for its usage is an answer of unknown usage', async () => {
    expect(await say({ message, usage: null }, delivery)).toMatchObject({ kind: 'completed', usage: null });
  });

  test('and has ids of 300 KB for its tool calls is passed on whole: clients send them back', async () => {
    const call = { index: 0, id: longText, type: 'function', function: { name: 'f', arguments: '{}' } };
    const result = await say({ message: { content: null, tool_calls: [call] } }, delivery);
    expect(result).toMatchObject({ kind: 'completed', toolCalls: [{ id: longText }] });
  });

  /** The same as `say`, for what `JSON.stringify` would not write. */
  function sayJson(messageJson: string, usage = 'null'): Promise<CompletionResult> {
    return delivery === 'whole'
      ? answerOf('200 OK', `{"choices":[{"message":${messageJson},"finish_reason":"stop"}],"usage":${usage}}`)
      : answerOf(
          '200 OK\r\ncontent-type: text/event-stream',
          `data: {"choices":[{"index":0,"delta":${messageJson},"finish_reason":"stop"}],"usage":${usage}}\n\n`,
          'streamed',
        );
  }
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  const toolCall = (extra: string) =>
    `{"content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f"},"extra":${extra}}]}`;

  test('and has a usage that is nested 5,000 levels deep is an answer', async () => {
    const usage = `{"prompt_tokens":${nested(5_000)},"completion_tokens":2}`;
    expect(await sayJson('{"content":"Hello."}', usage)).toMatchObject({ kind: 'completed', content: 'Hello.' });
    expect(await sayJson('{"content":"Hello."}', nested(5_000))).toMatchObject({ kind: 'completed' });
  });

  test('and has a usage of 2 MB is an answer', async () => {
    const usage = JSON.stringify({ prompt_tokens: 'x'.repeat(2_000_000) });
    expect(await sayJson('{"content":"Hello."}', usage)).toMatchObject({ kind: 'completed', content: 'Hello.' });
  });

  test('and has a tool call with 100 levels is passed on whole', async () => {
    const result = await sayJson(toolCall(nested(100)));
    expect(result).toMatchObject({ kind: 'completed', toolCalls: [{ extra: JSON.parse(nested(100)) as unknown }] });
  });

  test.each([5_000, 100_000])('and has a tool call with %d levels is none, and no fault of ours', async (depth) => {
    expect(await sayJson(toolCall(nested(depth)))).toMatchObject({
      kind: 'failed',
      failure: { kind: 'malformed-response', retryable: false, charge: 'unknown' },
    });
  });

  test('and fits on the wire but not into Temporal is too large, and may have been charged', async () => {
    // Seven bytes there, 22 here: a number that is written out.
    const numbers = Array.from({ length: 60_000 }, () => 1e20);
    const call = { index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' }, numbers };
    const short = JSON.stringify({ content: null, tool_calls: [call] }).replaceAll('100000000000000000000', '1e20');
    expect(short.length).toBeLessThan(limits.maxAnswerBytes / 2);
    const result = await sayJson(short);
    expect(result).toMatchObject({
      kind: 'failed',
      failure: { kind: 'response-too-large', retryable: false, charge: 'unknown' },
    });
  });
});

test('a stream of control characters, each six bytes as JSON, is too large before its text is', async () => {
  const text = '\u0001'.repeat(1_000);
  const events = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: text } }] })}\n\n`.repeat(200);
  const end = `data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}\n\n`;
  const result = await answerOf('200 OK\r\ncontent-type: text/event-stream', events + end, 'streamed');
  expect(result).toMatchObject({ kind: 'failed', failure: { kind: 'response-too-large', charge: 'unknown' } });
});

test('an answer of almost 1 MiB is one', async () => {
  const content = 'x'.repeat(limits.maxAnswerBytes - 1_000);
  expect(await say({ message: { content } }, 'whole')).toMatchObject({ kind: 'completed', content });
});

const answer = JSON.stringify({ choices: [{ message: { content: 'Hello.' }, finish_reason: 'stop' }] });

test.each(['200 OK', '201 Created', '299 Odd'])('status %s with an answer is an answer', async (status) => {
  expect(await answerOf(status, answer)).toMatchObject({ kind: 'completed', content: 'Hello.' });
});

test.each([
  '000 Odd',
  '099 Odd',
  '100 Continue',
  '101 Odd',
  '199 Odd',
  '304 Odd',
  '600 Odd',
  '999 Odd',
  '1000 Odd',
  '-1 Odd',
])('status %s is a failed call with a status that the ledger can hold, or none', async (status) => {
  const result = await answerOf(status, answer);
  if (result.kind !== 'failed') throw new Error(`Status ${status} was taken for an answer.`);
  const { httpStatus } = result.failure;
  expect(httpStatus === null || (Number.isInteger(httpStatus) && httpStatus >= 200 && httpStatus <= 999)).toBe(true);
});

test.each(['Retry-After: 1000000000', `Retry-After-Ms: ${'9'.repeat(400)}`])(
  '%p asks for a day at most',
  async (header) => {
    const result = await answerOf(`429 Too Many Requests\r\n${header}`, '{}');
    expect(result).toMatchObject({ kind: 'failed', failure: { kind: 'rate-limited', retryAfterMs: 86_400_000 } });
  },
);

test.each(['Retry-After: -5', 'Retry-After: NaN', 'Retry-After-Ms: -1'])('%p asks for nothing', async (header) => {
  const result = await answerOf(`429 Too Many Requests\r\n${header}`, '{}');
  expect(result).toMatchObject({ kind: 'failed', failure: { kind: 'rate-limited', retryAfterMs: null } });
});
