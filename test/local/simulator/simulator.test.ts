import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { faults, holysheepProfile, legacyProfile } from '../../../src/local/simulator/behaviour';
import { readCallLog } from '../../../src/local/simulator/call-log';
import { startSimulator, type Simulator, type SimulatorOptions } from '../../../src/local/simulator/simulator';
import { eventually } from '../../support/eventually';

let simulators: Simulator[] = [];

async function start(options: Partial<SimulatorOptions> = {}): Promise<Simulator> {
  const simulator = await startSimulator({ models: { m: {} }, ...options });
  simulators.push(simulator);
  return simulator;
}

afterEach(async () => {
  await Promise.all(simulators.map((simulator) => simulator.close()));
  simulators = [];
});

interface AskOptions {
  readonly body?: object;
  readonly key?: string;
  readonly signal?: AbortSignal;
}

function ask(simulator: Simulator, content = 'Hello', { body = {}, key, signal }: AskOptions = {}) {
  return fetch(`${simulator.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'x-request-id': content, ...(key !== undefined && { authorization: `Bearer ${key}` }) },
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content }], ...body }),
    signal,
  });
}

async function errorOf(response: Response) {
  return { status: response.status, ...((await response.json()) as object) };
}

test('an answer has the format of a chat.completion and matches its question', async () => {
  const response = await ask(await start(), 'Where is my order? [ref:q1]');
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({
    object: 'chat.completion',
    model: 'm',
    choices: [
      { index: 0, message: { role: 'assistant', content: expect.stringContaining('[ref:q1]') }, finish_reason: 'stop' },
    ],
    usage: { prompt_tokens: 14, completion_tokens: expect.any(Number), prompt_tokens_details: { cached_tokens: 0 } },
  });
});

test('max_tokens limits the text and the usage', async () => {
  const response = await ask(await start(), 'Hello', { body: { max_tokens: 3 } });
  expect(await response.json()).toMatchObject({
    choices: [{ message: { content: 'Thank you fo' }, finish_reason: 'length' }],
    usage: { completion_tokens: 3 },
  });
});

test('the models are listed', async () => {
  const simulator = await start({ models: { ...legacyProfile, ...holysheepProfile } });
  const response = await fetch(`${simulator.baseUrl}/models`);
  const { data } = (await response.json()) as { data: { id: string }[] };
  expect(data.map(({ id }) => id)).toEqual(['legacy-chat', 'deepseek-v3.2', 'gemini-2.5-flash']);
});

describe('a refused request', () => {
  test.each([
    ['an unknown model', { model: 'gpt-0' }, 404, "The model 'gpt-0' does not exist."],
    ['no model', { model: undefined }, 400, "Missing required parameter: 'model'."],
    ['no messages', { messages: [] }, 400, "Missing required parameter: 'messages'."],
    ['messages that are not objects', { messages: ['hi'] }, 400, "Invalid type for 'messages': expected objects."],
    ['a limit of 0 tokens', { max_tokens: 0 }, 400, "Invalid 'max_tokens': expected a positive integer."],
  ])('with %s is explained and logged', async (_reason, body, status, message) => {
    const simulator = await start();
    expect(await errorOf(await ask(simulator, 'q', { body }))).toMatchObject({ status, error: { message } });
    expect(await simulator.calls()).toMatchObject([{ requestId: 'q', status, outcome: 'refused', charged: false }]);
  });

  test('with a wrong key gets a 401', async () => {
    const simulator = await start({ apiKeys: ['right'] });
    expect((await ask(simulator, 'Hello', { key: 'wrong' })).status).toBe(401);
    expect((await ask(simulator, 'Hello')).status).toBe(401);
    expect((await ask(simulator, 'Hello', { key: 'right' })).status).toBe(200);
    await simulator.setApiKeys(null);
    expect((await ask(simulator, 'Hello')).status).toBe(200);
  });

  test('that is too long for the model gets context_length_exceeded', async () => {
    const simulator = await start({ models: { m: { contextTokens: 10 } } });
    expect(await errorOf(await ask(simulator, 'much too long for this model'))).toMatchObject({
      status: 400,
      error: { code: 'context_length_exceeded' },
    });
  });
});

test('a poor answer is a 200 with an empty text, or one in another language', async () => {
  const simulator = await start({ models: { m: { poorAnswers: [{ kind: 'empty', probability: 1 }] } } });
  const contentOf = async (response: Response): Promise<unknown> => {
    const { choices } = (await response.json()) as { choices: { message: { content: unknown } }[] };
    return choices[0]?.message.content;
  };
  const messages = [{ role: 'user', content: '我的订单在哪里？' }];
  const empty = await ask(simulator, 'q1', { body: { messages } });
  expect([empty.status, await contentOf(empty)]).toEqual([200, '']);
  await simulator.setBehaviour('m', { poorAnswers: [{ kind: 'wrong-language', language: 'zh', probability: 1 }] });
  expect(await contentOf(await ask(simulator, 'q2', { body: { messages } }))).toMatch(/^Your order has left/);
  expect(await contentOf(await ask(simulator, 'Where is my order?'))).toMatch(/^Your order has left/);
});

describe('faults', () => {
  test('in the queue hit the next calls, one each, in order', async () => {
    const simulator = await start();
    await simulator.queueFaults('m', [faults.rateLimited({ 'retry-after': '2' }), faults.serverError(503)]);
    const responses = [await ask(simulator), await ask(simulator), await ask(simulator)];
    expect(responses.map((response) => response.status)).toEqual([429, 503, 200]);
    expect(responses[0]?.headers.get('retry-after')).toBe('2');
  });

  test('that are permanent stay until they are removed', async () => {
    const simulator = await start();
    await simulator.setBehaviour('*', { alwaysFault: faults.serverError() });
    expect([(await ask(simulator)).status, (await ask(simulator)).status]).toEqual([500, 500]);
    await simulator.setBehaviour('*', { alwaysFault: null });
    expect((await ask(simulator)).status).toBe(200);
  });

  test('with a probability above 1 are refused', async () => {
    const simulator = await start();
    const fault = { fault: faults.serverError(), probability: 0.6 };
    await expect(simulator.setBehaviour('m', { randomFaults: [fault, fault] })).rejects.toThrow(/more than 1/);
  });

  test('of an unknown model are refused', async () => {
    const simulator = await start();
    await expect(simulator.queueFaults('n', [])).rejects.toThrow('This simulator has no model n; it has m.');
  });
});

describe('the log', () => {
  test('contains every call with its tokens', async () => {
    const simulator = await start();
    await ask(simulator, 'abcd');
    expect(await simulator.calls()).toEqual([
      {
        id: expect.any(String),
        requestId: 'abcd',
        model: 'm',
        startedAtMs: expect.any(Number),
        firstTokenAtMs: null,
        endedAtMs: expect.any(Number),
        status: 200,
        outcome: 'answered',
        fault: null,
        promptTokens: 8,
        completionTokens: expect.any(Number),
        charged: true,
      },
    ]);
  });

  test.each([
    ['leaves a slow model', {}, true],
    ['leaves a model that does not charge such calls', { chargesAborted: false }, false],
    ['leaves a silent model', { alwaysFault: { kind: 'silence' } }, false],
    ['leaves a silent model that charges', { alwaysFault: { kind: 'silence' }, chargesSilence: true }, true],
  ] as const)('shows what a client that %s is charged', async (_case, behaviour, charged) => {
    const simulator = await start({ models: { m: { latency: { kind: 'fixed', ms: 60_000 }, ...behaviour } } });
    const stop = new AbortController();
    const answer = ask(simulator, 'q', { signal: stop.signal });
    await eventually('the call has begun', async () => (await simulator.openCalls()) === 1);
    expect(await simulator.calls()).toMatchObject([{ outcome: 'in-progress', endedAtMs: null, charged: false }]);
    stop.abort();
    await expect(answer).rejects.toThrow();
    await eventually('the call has ended', async () => (await simulator.openCalls()) === 0);
    expect(await simulator.calls()).toMatchObject([{ outcome: 'aborted-by-client', status: null, charged }]);
  });

  test('shows no earlier call after it was cleared, however late that call ends', async () => {
    const simulator = await start({ models: { m: { alwaysFault: { kind: 'silence' } } } });
    const stop = new AbortController();
    const before = expect(ask(simulator, 'before', { signal: stop.signal })).rejects.toThrow();
    await eventually('the call has begun', async () => (await simulator.calls()).length === 1);
    await simulator.clearCalls();
    stop.abort();
    await before;
    await eventually('the call has ended', async () => (await simulator.openCalls()) === 0);
    expect(await simulator.calls()).toEqual([]);
    await simulator.setBehaviour('m', { alwaysFault: null });
    await ask(simulator, 'after');
    expect(await simulator.calls()).toMatchObject([{ requestId: 'after', outcome: 'answered' }]);
  });

  test('in a file is identical, and the next simulator appends to it', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'simulator-'));
    try {
      const logFile = join(directory, 'calls.jsonl');
      const first = await start({ logFile });
      await first.queueFaults('m', [faults.serverError()]);
      await ask(first, 'q1');
      await ask(first, 'q2');
      expect(readCallLog(logFile)).toEqual(await first.calls());
      await first.close();

      await ask(await start({ logFile }), 'q3');
      expect(readCallLog(logFile).map((call) => [call.requestId, call.outcome])).toEqual([
        ['q1', 'refused'],
        ['q2', 'answered'],
        ['q3', 'answered'],
      ]);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

test('a provider that goes down breaks its calls, refuses connections, and comes back at the same address', async () => {
  const simulator = await start({ models: { m: { alwaysFault: { kind: 'silence' } } } });
  const answer = ask(simulator);
  await eventually('the call has begun', async () => (await simulator.openCalls()) === 1);
  await simulator.goDown();
  await expect(answer).rejects.toThrow();
  await expect(ask(simulator)).rejects.toThrow();
  expect(await simulator.calls()).toMatchObject([{ outcome: 'reset' }]);

  await simulator.comeUp();
  await simulator.setBehaviour('m', { alwaysFault: null });
  expect((await ask(simulator)).status).toBe(200);
});
