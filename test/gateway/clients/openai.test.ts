import OpenAI, {
  APIError,
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  UnprocessableEntityError,
} from 'openai';
import type { ClientOptions } from 'openai';
import type { RunnableToolFunction } from 'openai/lib/RunnableFunction';
import type { ChatCompletionChunk } from 'openai/resources/chat/completions';
import { faults } from '../../../src/local/simulator/behaviour';
import { eventually } from '../../support/eventually';
import { fallbackModel, primaryModel } from '../../support/service';
import { hello } from '../gateway-service';
import { fillSession } from './busy-session';
import { type ClientService, startClientService } from './client-service';
import { askForOrder, askForTwoOrders, findOrder, findOrderTool } from './find-order';
import { recordFetch } from './recorded-fetch';

let setting: ClientService;
beforeAll(async () => {
  setting = await startClientService();
});
afterAll(() => setting.stop());
beforeEach(() => setting.service.simulator.clearCalls());
afterEach(() => setting.service.simulator.setBehaviour('*', { alwaysFault: null, pieceGapMs: 0 }));

function connect(options: ClientOptions = {}): OpenAI {
  return new OpenAI({ baseURL: `${setting.gateway.url}/v1`, apiKey: setting.key, ...options });
}

const messages = [...hello.messages];
const request = { model: 'bellwether', messages };

/** What a request fails with. */
async function failureOf(asked: Promise<unknown>): Promise<APIError> {
  const failure = await asked.then(
    () => 'an answer',
    (error: unknown) => error,
  );
  if (failure instanceof APIError) return failure;
  throw new Error('That is no error of the API.', { cause: failure });
}

async function chunksOf(stream: AsyncIterable<ChatCompletionChunk>): Promise<ChatCompletionChunk[]> {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const textOf = (chunks: readonly ChatCompletionChunk[]): string =>
  chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');

test('a plain answer has its text, its usage, the model that answered and the id of its request', async () => {
  const { data: answer, request_id } = await connect().chat.completions.create(request).withResponse();
  expect(answer).toMatchObject({ object: 'chat.completion', model: primaryModel });
  expect(answer.choices[0]).toMatchObject({ index: 0, finish_reason: 'stop', message: { role: 'assistant' } });
  expect(answer.choices[0]?.message.content).toContain('Your order');
  expect(answer.usage?.total_tokens).toBeGreaterThan(10);
  expect(request_id).toMatch(/^[0-9a-f-]{36}$/);
});

test('a streamed answer is the same text, and tells its usage when it is asked to', async () => {
  const client = connect();
  const plain = await client.chat.completions.create(request);
  const withUsage = { ...request, stream: true, stream_options: { include_usage: true } } as const;
  const chunks = await chunksOf(await client.chat.completions.create(withUsage));
  expect(textOf(chunks)).toBe(plain.choices[0]?.message.content);
  expect(chunks[0]?.choices[0]?.delta.role).toBe('assistant');
  expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop');
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: plain.usage });

  const without = await chunksOf(await client.chat.completions.create({ ...request, stream: true }));
  expect(without.at(-1)?.choices[0]?.finish_reason).toBe('stop');
  expect(without.every(({ usage }) => usage === undefined)).toBe(true);
});

test('the streaming helper puts a text together, with its usage', async () => {
  const stream = connect().chat.completions.stream({ ...request, stream_options: { include_usage: true } });
  const snapshots: string[] = [];
  stream.on('content', (_delta, snapshot) => snapshots.push(snapshot));
  const { choices, usage } = await stream.finalChatCompletion();
  expect(choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: snapshots.at(-1) } });
  expect(usage?.total_tokens).toBeGreaterThan(10);
});

describe('tools', () => {
  const withTools = (content: string) => ({
    model: 'bellwether',
    messages: [{ role: 'user' as const, content }],
    tools: [findOrderTool],
  });
  const call = (number: string) => ({
    type: 'function',
    id: expect.stringMatching(/^call_/),
    function: { name: 'find_order', arguments: JSON.stringify({ number }) },
  });

  test('are called in a plain answer', async () => {
    const answer = await connect().chat.completions.create(withTools(askForTwoOrders));
    expect(answer.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { content: null, tool_calls: [call('ORD-7'), call('ORD-8')] },
    });
  });

  test('are called in a streamed answer, and the helper puts every call together', async () => {
    const stream = connect().chat.completions.stream(withTools(askForTwoOrders));
    const { choices } = await stream.finalChatCompletion();
    expect(choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { tool_calls: [call('ORD-7'), call('ORD-8')] },
    });
  });

  test.each([false, true])('are run by the client until there is an answer, streamed: %s', async (stream) => {
    const asked: unknown[] = [];
    const runnable: RunnableToolFunction<object> = {
      type: 'function',
      function: {
        ...findOrder,
        parse: (input) => JSON.parse(input) as object,
        function: (input) => {
          asked.push(input);
          return 'It is on its way.';
        },
      },
    };
    const body = { ...withTools(askForOrder), tools: [runnable] };
    const { completions } = connect().chat;
    const runner = stream ? completions.runTools({ ...body, stream }) : completions.runTools(body);
    expect(await runner.finalContent()).toBe('The tool says: It is on its way.');
    expect(asked).toEqual([{ number: 'ORD-7' }]);
  });
});

test('a response format is obeyed and parsed', async () => {
  const schema = { type: 'object', properties: { answer: { type: 'string' } }, required: ['answer'] };
  const parsed = await connect().chat.completions.parse({
    ...request,
    response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } },
  });
  expect(JSON.parse(parsed.choices[0]?.message.content ?? '')).toEqual({ answer: expect.stringContaining('order') });
  const object = await connect().chat.completions.create({ ...request, response_format: { type: 'json_object' } });
  expect(JSON.parse(object.choices[0]?.message.content ?? '')).toEqual({ answer: expect.any(String) });
});

test('the models are listed, and found by name', async () => {
  const { models } = connect();
  const ids = [];
  for await (const model of models.list()) ids.push(model.id);
  expect(ids).toEqual(['bellwether', primaryModel, fallbackModel]);
  expect(await models.retrieve(fallbackModel)).toMatchObject({ id: fallbackModel, object: 'model' });
  expect(await failureOf(models.retrieve('gpt-99'))).toBeInstanceOf(NotFoundError);
});

describe('an error', () => {
  const send = (body: typeof request, options?: ClientOptions) =>
    failureOf(connect(options).chat.completions.create(body));

  test.each([
    ['a bad request', { ...request, temperature: 9 }, BadRequestError, 400, 'temperature', 'invalid_value'],
    ['an unknown model', { ...request, model: 'gpt-99' }, NotFoundError, 404, 'model', 'model_not_found'],
    ['a body that is too large', { ...request, x: 'x'.repeat(2 ** 20) }, APIError, 413, null, 'request_too_large'],
  ] as const)('for %s has its class, its field and its code', async (_, body, type, status, param, code) => {
    const error = await send(body);
    expect(error).toBeInstanceOf(type);
    expect(error).toMatchObject({ status, param, code, type: 'invalid_request_error' });
    expect(error.requestID).toBeTruthy();
  });

  test('for a key that is none, or that may not chat, has its class', async () => {
    const unknown = await send(request, { apiKey: 'sk-nobody' });
    expect(unknown).toBeInstanceOf(AuthenticationError);
    expect(unknown).toMatchObject({ code: 'invalid_api_key', type: 'authentication_error' });
    const forbidden = await send(request, { apiKey: await setting.createKey({ role: 'operator' }) });
    expect(forbidden).toBeInstanceOf(PermissionDeniedError);
    expect(forbidden).toMatchObject({ code: 'wrong_key_role', type: 'permission_error' });
  });

  test('in the middle of a stream is thrown, with its code', async () => {
    await setting.service.simulator.setBehaviour('*', {
      pieceGapMs: 100,
      alwaysFault: { kind: 'error-in-body', afterTokens: 3, message: 'overloaded' },
    });
    const stream = await connect().chat.completions.create({ ...request, stream: true });
    const error = await failureOf(chunksOf(stream));
    expect(error.code).toMatch(/^provider_/);
    expect(error.message).toContain('No model answered');
  });
});

describe('retries', () => {
  test('wait as long as a 429 says, and are answered then', async () => {
    const { headers, refusedAgain, empty } = await fillSession(setting);
    const { fetch, statuses, pausesMs } = recordFetch();
    const asked = connect({ fetch, maxRetries: 5 }).chat.completions.create(request, { headers });
    await refusedAgain();
    await empty();
    const answer = await asked;
    expect(answer.choices[0]?.finish_reason).toBe('stop');
    expect(statuses.at(-1)).toBe(200);
    expect(new Set(statuses.slice(0, -1))).toEqual(new Set([429]));
    // retry-after: 2; timers may be some milliseconds early.
    expect(Math.min(...pausesMs)).toBeGreaterThan(1_950);
  });

  test('are not made where the client wants none', async () => {
    const { headers, empty } = await fillSession(setting);
    const error = await failureOf(connect({ maxRetries: 0 }).chat.completions.create(request, { headers }));
    expect(error).toBeInstanceOf(RateLimitError);
    expect(error).toMatchObject({ code: 'session_busy', type: 'rate_limit_error' });
    await empty();
  });

  test.each([false, true])('are not made for a used-up budget, streamed: %s', async (stream) => {
    const { fetch, statuses } = recordFetch();
    const client = connect({ fetch, apiKey: await setting.createKey({ totalNanoUsd: 1 }) });
    const error = await failureOf(client.chat.completions.create({ ...request, stream }));
    expect(error).toMatchObject({ status: 402, code: 'insufficient_quota', type: 'insufficient_quota' });
    expect(error.headers?.get('x-should-retry')).toBe('false');
    expect(statuses).toEqual([402]);
    expect(await setting.service.simulator.calls()).toEqual([]);
  });

  test.each([false, true])('are not made for what was repeated enough, streamed: %s', async (stream) => {
    await setting.service.simulator.setBehaviour('*', { alwaysFault: faults.serverError(503) });
    const { fetch, statuses } = recordFetch();
    const error = await failureOf(connect({ fetch }).chat.completions.create({ ...request, stream }));
    expect(error).toBeInstanceOf(InternalServerError);
    expect(error).toMatchObject({ status: 503, code: 'provider_unavailable' });
    expect(error.error).toMatchObject({ degraded_reply: expect.any(String) });
    expect(statuses).toEqual([503]);
    expect(await setting.service.simulator.calls()).toHaveLength(2);
  });
});

describe('an Idempotency-Key', () => {
  test('makes a hundred parallel requests one call of the provider, with one answer for all', async () => {
    const client = connect();
    const headers = { 'Idempotency-Key': crypto.randomUUID() };
    const bodies = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const response = await client.chat.completions.create(request, { headers }).asResponse();
        return response.text();
      }),
    );
    expect(new Set(bodies).size).toBe(1);
    expect(await setting.service.simulator.calls()).toHaveLength(1);
  });

  test('makes a hundred parallel streams one call of the provider, with one answer for all', async () => {
    const client = connect();
    const headers = { 'Idempotency-Key': crypto.randomUUID() };
    const streams = await Promise.all(
      Array.from({ length: 100 }, async () =>
        chunksOf(await client.chat.completions.create({ ...request, stream: true }, { headers })),
      ),
    );
    expect(new Set(streams.map(textOf)).size).toBe(1);
    expect(new Set(streams.map(([chunk]) => chunk?.id)).size).toBe(1);
    expect(streams.every((chunks) => chunks.at(-1)?.choices[0]?.finish_reason === 'stop')).toBe(true);
    expect(await setting.service.simulator.calls()).toHaveLength(1);
  });

  test('that was used with another request is an error of its own class', async () => {
    const client = connect();
    const headers = { 'Idempotency-Key': crypto.randomUUID() };
    await client.chat.completions.create(request, { headers });
    const error = await failureOf(client.chat.completions.create({ ...request, temperature: 0.1 }, { headers }));
    expect(error).toBeInstanceOf(UnprocessableEntityError);
    expect(error).toMatchObject({ code: 'idempotency_key_reused', param: 'Idempotency-Key' });
  });
});

describe('a client that breaks off', () => {
  const openStreams = async () => {
    const text = await setting.metrics();
    return Number(/^bellwether_gateway_open_streams (.*)$/m.exec(text)?.[1]);
  };
  const outcomes = async () => (await setting.service.simulator.calls()).map(({ outcome }) => outcome);

  test('amid a stream leaves nothing open, and the turn goes on to its end', async () => {
    await setting.service.simulator.setBehaviour('*', { pieceGapMs: 50 });
    const stream = await connect().chat.completions.create({ ...request, stream: true });
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content) stream.controller.abort();
    }
    await eventually('no stream is open', async () => (await openStreams()) === 0);
    await eventually('the model is done', async () => (await outcomes()).join() === 'answered');
  });

  test('before a plain answer is told so, and can fetch it by its Idempotency-Key', async () => {
    await setting.service.simulator.queueFaults(primaryModel, [{ kind: 'late-first-token', ms: 500 }]);
    const client = connect();
    const headers = { 'Idempotency-Key': crypto.randomUUID() };
    const leaving = new AbortController();
    const left = failureOf(client.chat.completions.create(request, { headers, signal: leaving.signal }));
    await eventually('the model is asked', async () => (await outcomes()).length === 1);
    leaving.abort();
    expect(await left).toBeInstanceOf(APIUserAbortError);
    const answer = await client.chat.completions.create(request, { headers });
    expect(answer.choices[0]?.finish_reason).toBe('stop');
    expect(await outcomes()).toEqual(['answered']);
  });
});
