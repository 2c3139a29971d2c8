import type { Chunk } from '../../../src/gateway/chunks';
import type { Completion } from '../../../src/gateway/completion';
import { faults } from '../../../src/local/simulator/behaviour';
import { eventually } from '../../support/eventually';
import { describeWithPython, type PythonProgram, startPython } from '../../support/python';
import { fallbackModel, primaryModel } from '../../support/service';
import { hello } from '../gateway-service';
import { fillSession } from './busy-session';
import { type ClientService, startClientService } from './client-service';
import { askForTwoOrders, findOrderTool } from './find-order';

interface Outcome<Result> {
  readonly result?: Result;
  readonly error?: { readonly class: string; readonly code: string; readonly message: string };
  /** Of every answer, repeated ones included. */
  readonly statuses: readonly number[];
}

interface Results {
  readonly plain: Completion;
  readonly chunks: Chunk[];
  readonly put_together: { readonly kinds: string[]; readonly completion: Completion };
  readonly break_off: string;
  readonly models: string[];
}

const request = { ...hello };

describeWithPython("OpenAI's client", () => {
  let setting: ClientService;
  let python: PythonProgram;
  beforeAll(async () => {
    setting = await startClientService();
    python = startPython('gateway/clients/openai_client.py');
  });
  afterAll(async () => {
    await python.stop();
    await setting.stop();
  });
  beforeEach(() => setting.service.simulator.clearCalls());
  afterEach(() => setting.service.simulator.setBehaviour('*', { alwaysFault: null, pieceGapMs: 0 }));

  async function perform<Task extends keyof Results>(task: Task, args: object = request, options: object = {}) {
    const connection = { base_url: `${setting.gateway.url}/v1`, api_key: setting.key, ...options };
    return (await python.ask({ task, arguments: args, options: connection })) as Outcome<Results[Task]>;
  }

  async function resultOf<Task extends keyof Results>(task: Task, args?: object): Promise<Results[Task]> {
    const { result, error } = await perform(task, args);
    if (result === undefined) throw new Error(`The client failed: ${JSON.stringify(error)}`);
    return result;
  }

  const textOf = (chunks: readonly Chunk[]) => chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');

  test('has a plain answer with its usage, and the same text streamed', async () => {
    const plain = await resultOf('plain');
    expect(plain).toMatchObject({ object: 'chat.completion', model: primaryModel });
    expect(plain.choices[0]).toMatchObject({ finish_reason: 'stop', message: { role: 'assistant' } });
    expect(plain.usage.total_tokens).toBeGreaterThan(10);
    const chunks = await resultOf('chunks', { ...request, stream_options: { include_usage: true } });
    expect(textOf(chunks)).toBe(plain.choices[0]?.message.content);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: plain.usage.total_tokens } });
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop');
  });

  test('calls tools, plain and streamed, and puts the calls together', async () => {
    const tools = {
      model: 'bellwether',
      messages: [{ role: 'user', content: askForTwoOrders }],
      tools: [{ ...findOrderTool, function: { ...findOrderTool.function, strict: true } }],
    };
    const call = (number: string) => ({ type: 'function', function: { arguments: JSON.stringify({ number }) } });
    const expected = { finish_reason: 'tool_calls', message: { tool_calls: [call('ORD-7'), call('ORD-8')] } };
    expect((await resultOf('plain', tools)).choices[0]).toMatchObject(expected);
    const { kinds, completion } = await resultOf('put_together', tools);
    expect(completion.choices[0]).toMatchObject(expected);
    expect(kinds.filter((kind) => kind === 'tool_calls.function.arguments.done')).toHaveLength(2);
  });

  test('lists the models', async () => {
    expect(await resultOf('models', {})).toEqual(['bellwether', primaryModel, fallbackModel]);
  });

  test.each([
    ['a bad request', { ...request, temperature: 9 }, {}, 'BadRequestError', 400, 'temperature', 'invalid_value'],
    ['an unknown model', { ...request, model: 'gpt-99' }, {}, 'NotFoundError', 404, 'model', 'model_not_found'],
    ['a key that is none', request, { api_key: 'sk-x' }, 'AuthenticationError', 401, null, 'invalid_api_key'],
  ])('raises its own class of error for %s', async (_, args, options, name, status, param, code) => {
    const { error, statuses } = await perform('plain', args, options);
    expect(error).toMatchObject({ class: name, status, param, code, request_id: expect.stringMatching(/./) });
    expect(statuses).toEqual([status]);
  });

  test.each(['plain', 'chunks'] as const)('does not repeat what a budget refused: %s', async (task) => {
    const { error, statuses } = await perform(task, request, {
      api_key: await setting.createKey({ totalNanoUsd: 1 }),
    });
    expect(error).toMatchObject({ class: 'APIStatusError', status: 402, code: 'insufficient_quota' });
    expect(statuses).toEqual([402]);
    expect(await setting.service.simulator.calls()).toEqual([]);
  });

  test('does not repeat what was repeated enough', async () => {
    await setting.service.simulator.setBehaviour('*', { alwaysFault: faults.serverError(503) });
    const { error, statuses } = await perform('plain');
    expect(error).toMatchObject({ class: 'InternalServerError', status: 503, code: 'provider_unavailable' });
    expect(statuses).toEqual([503]);
  });

  test('waits as long as a 429 says, and is answered then', async () => {
    const { headers, refusedAgain, empty } = await fillSession(setting);
    const startedAtMs = performance.now();
    const asked = perform('plain', { ...request, extra_headers: headers }, { max_retries: 5 });
    await refusedAgain();
    await empty();
    const { result, statuses } = await asked;
    expect(result?.choices[0]?.finish_reason).toBe('stop');
    expect(statuses.at(-1)).toBe(200);
    expect(new Set(statuses.slice(0, -1))).toEqual(new Set([429]));
    // retry-after: 2; timers may be some milliseconds early.
    expect(performance.now() - startedAtMs).toBeGreaterThan(1_950);
  });

  test('raises an error that comes in the middle of a stream', async () => {
    await setting.service.simulator.setBehaviour('*', {
      pieceGapMs: 100,
      alwaysFault: { kind: 'error-in-body', afterTokens: 3, message: 'overloaded' },
    });
    const { error, statuses } = await perform('chunks');
    expect(error).toMatchObject({ class: 'APIError', code: expect.stringMatching(/^provider_/) });
    expect(error?.message).toContain('No model answered');
    expect(statuses).toEqual([200]);
  });

  test('that leaves amid a stream does not stop the turn', async () => {
    await setting.service.simulator.setBehaviour('*', { pieceGapMs: 50 });
    expect(await resultOf('break_off')).not.toBe('');
    await eventually('the model is done', async () => {
      const calls = await setting.service.simulator.calls();
      return calls.map(({ outcome }) => outcome).join() === 'answered';
    });
  });
});
