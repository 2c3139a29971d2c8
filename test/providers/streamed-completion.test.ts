import { createProvider } from '../../src/providers/openai-compatible';
import type { CompletionRequest, Provider, ProviderSettings } from '../../src/contract/provider';
import { faults } from '../../src/local/simulator/behaviour';
import { startSimulator, type Simulator } from '../../src/local/simulator/simulator';
import { eventually } from '../support/eventually';
import { completionRequest, model, patient, patientMs } from './completion-request';

let simulator: Simulator;
let providers: Provider[];

beforeEach(async () => {
  simulator = await startSimulator({ models: { [model]: {} } });
  providers = [];
});

afterEach(async () => {
  await Promise.all(providers.map((provider) => provider.close()));
  await simulator.close();
});

function startProvider(changes: Partial<ProviderSettings> = {}): Provider {
  const provider = createProvider({
    name: 'holysheep',
    baseUrl: simulator.baseUrl,
    readApiKey: () => 'sk-first-key',
    maxConnections: 1,
    maxResponseBytes: 1_000_000,
    ...changes,
  });
  providers.push(provider);
  return provider;
}

async function stream(provider = startProvider(), changes: Partial<CompletionRequest> = {}) {
  const pieces: string[] = [];
  const result = await provider.complete(
    completionRequest({ stream: { limits: patient, onText: (text) => pieces.push(text) }, ...changes }),
  );
  return { result, pieces, text: pieces.join('') };
}

async function plain(provider = startProvider(), changes: Partial<CompletionRequest> = {}) {
  return (await stream(provider, { ...changes, stream: undefined })).result;
}

describe('a streamed answer', () => {
  test('is the plain answer, and its text was heard in pieces before', async () => {
    await simulator.setBehaviour(model, { cachedPromptPercent: 50 });
    const { result, pieces, text } = await stream();
    const { latencyMs: _latencyMs, ...expected } = await plain();
    expect(result).toMatchObject(expected);
    expect(expected).toMatchObject({ kind: 'completed', finishReason: 'stop', usage: { cachedPromptTokens: 7 } });
    expect(result).toMatchObject({ content: text });
    expect(pieces.length).toBeGreaterThan(5);
    expect(await simulator.calls()).toMatchObject([
      { requestId: 'turn-1.1', outcome: 'answered', charged: true },
      { outcome: 'answered' },
    ]);
  });

  test('is heard while the model still speaks', async () => {
    await simulator.setBehaviour(model, { pieceGapMs: patientMs });
    const heard: string[] = [];
    const stop = new AbortController();
    const limits = { ...patient, idleMs: 2 * patientMs };
    const call = stream(startProvider(), {
      stream: { limits, onText: (text) => heard.push(text) },
      signal: stop.signal,
    });
    await eventually('the first piece is heard', async () => heard.length === 1);
    stop.abort(new Error('enough'));
    expect((await call).result).toMatchObject({ kind: 'failed', failure: { kind: 'cancelled' } });
  });

  test('of many bytes a character comes whole, however it was cut', async () => {
    const question = '我的订单在哪里? [ref:🐑🔔]';
    const messages = [{ role: 'user', content: question }] as const;
    // Seven at once: no character's bytes are cut in the same place again.
    await simulator.queueFaults(model, [{ kind: 'slow-body', bytesPerSecond: 7_000 }]);
    const { result, text } = await stream(undefined, { messages });
    expect(result).toMatchObject({ kind: 'completed', content: expect.stringContaining('[ref:🐑🔔]') });
    expect(text).toContain('[ref:🐑🔔]');
  });

  test('says length when max_tokens cut it', async () => {
    const { result } = await stream(undefined, { maxTokens: 5 });
    expect(result).toMatchObject({ kind: 'completed', finishReason: 'length', usage: { completionTokens: 5 } });
  });

  test('leaves its connection open for the next call', async () => {
    const provider = startProvider();
    await stream(provider);
    await stream(provider);
    await plain(provider);
    expect(await simulator.openConnections()).toBe(1);
  });
});

describe('tool calls', () => {
  const options = {
    tools: ['get_weather', 'get_time'].map((name) => ({ type: 'function', function: { name, parameters: {} } })),
  };
  const messages = [
    { role: 'user', content: 'call get_weather {"city":"Paris, France"}\ncall get_time {"zone":"CET"}' },
  ] as const;

  test('are read, from a plain answer and from the parts of a streamed one', async () => {
    const expected = {
      kind: 'completed',
      content: '',
      finishReason: 'tool_calls',
      toolCalls: [
        {
          id: 'call_1_0_get_weather',
          type: 'function',
          function: { name: 'get_weather', arguments: '{"city":"Paris, France"}' },
        },
        { id: 'call_1_1_get_time', type: 'function', function: { name: 'get_time', arguments: '{"zone":"CET"}' } },
      ],
    };
    expect(await plain(undefined, { options, messages })).toMatchObject(expected);
    const { result, pieces } = await stream(undefined, { options, messages });
    expect(result).toMatchObject(expected);
    expect(pieces).toEqual([]);
  });
});

test('a plain answer where a stream was asked for is an answer, heard at once', async () => {
  await simulator.queueFaults(model, [{ kind: 'json-instead-of-stream' }]);
  const { result, pieces } = await stream();
  expect(result).toMatchObject({ kind: 'completed', content: pieces[0], finishReason: 'stop' });
  expect(pieces).toHaveLength(1);
});

test('a rotated key is read again for a stream, too', async () => {
  await simulator.setApiKeys(['sk-new-key']);
  const readApiKey = ({ refresh }: { refresh: boolean }) => (refresh ? 'sk-new-key' : 'sk-first-key');
  const { result, text } = await stream(startProvider({ readApiKey }));
  expect(result).toMatchObject({ kind: 'completed', content: text });
  expect((await simulator.calls()).map((call) => call.status)).toEqual([401, 200]);
});

test('a refusal of a stream is classified by its status', async () => {
  await simulator.queueFaults(model, [faults.rateLimited({ 'retry-after': '7' })]);
  expect((await stream()).result).toMatchObject({ failure: { kind: 'rate-limited', retryAfterMs: 7_000 } });
});
