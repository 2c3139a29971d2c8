import OpenAI from 'openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { OpenAIEmbeddings } from '@langchain/openai';
import { embedMany } from 'ai';
import {
  type AnswerCall,
  sendJson,
  startVectorProvider,
  vectorOf,
  type VectorProvider,
} from '../../support/vector-provider';
import { eventually } from '../../support/eventually';
import { describeWithPython, startPython } from '../../support/python';
import { createTestKey, type ErrorAnswer, type GatewayService, startGatewayService } from '../gateway-service';

const model = 'text-embedding-3-small';
const path = '/v1/embeddings';

let provider: VectorProvider;
let second: VectorProvider;
let setting: GatewayService;
let client: OpenAI;
beforeAll(async () => {
  provider = await startVectorProvider();
  second = await startVectorProvider();
  setting = await startGatewayService({
    configuration: {
      providers: { vectors: { baseUrl: provider.baseUrl }, spare: { baseUrl: second.baseUrl } },
      retry: { maxAttemptsPerTarget: 2, baseDelayMs: 0, delayJitterMs: 0 },
      embeddings: {
        [model]: {
          targets: [
            { provider: 'vectors', price: 0.02 },
            { provider: 'spare', price: 0.04 },
          ],
        },
        long: { targets: [{ provider: 'vectors', price: 0.02 }] },
        dear: { targets: [{ provider: 'vectors', price: 1_000_000 }] },
      },
      moderations: {
        'omni-moderation-latest': { targets: [{ provider: 'vectors' }] },
        'second-moderation': { targets: [{ provider: 'vectors' }] },
      },
    },
  });
  client = new OpenAI({ baseURL: `${setting.gateway.url}/v1`, apiKey: setting.key, maxRetries: 0 });
});
afterAll(async () => {
  await setting.stop();
  await provider.close();
  await second.close();
});
beforeEach(() => {
  for (const each of [provider, second]) {
    each.calls.length = 0;
    each.next.length = 0;
    each.knowsBase64 = true;
  }
});

interface Embeddings {
  readonly data: readonly { readonly embedding: readonly number[]; readonly index: number }[];
  readonly bellwether: {
    readonly turn_id: string;
    readonly calls: number;
    readonly attempts: number;
    readonly cost_usd: number;
  };
}

async function embed(body: object, headers?: Record<string, string>): Promise<Embeddings> {
  const response = await setting.call(path, { model, ...body }, headers);
  const answer = (await response.json()) as Embeddings;
  expect({ status: response.status, answer }).toMatchObject({ status: 200 });
  return answer;
}

const fault =
  (status: number): AnswerCall =>
  (_call, response) =>
    sendJson(response, status, { error: { message: 'overloaded' } });

test('a request is one call of the provider and one settled row of the ledger, priced by its tokens', async () => {
  const { data, bellwether } = await embed({ input: ['one', 'two'] });
  expect(data.map(({ embedding }) => embedding)).toEqual([vectorOf('one'), vectorOf('two')]);
  expect(provider.calls).toMatchObject([{ body: { model, input: ['one', 'two'], encoding_format: 'base64' } }]);
  const rows = await setting.service.ledger.attempts(bellwether.turn_id);
  const row = { state: 'settled', promptTokens: 6, completionTokens: 0, costNanoUsd: 120, arm: `embeddings/${model}` };
  expect(rows).toMatchObject([row]);
  expect(provider.calls[0]?.requestId).toBe(`${bellwether.turn_id}.1`);
});

describe("clients at their defaults get the provider's vectors:", () => {
  const texts = ['Where is my order?', '订单在哪里？'];
  const expected = texts.map((text) => vectorOf(text));

  test("OpenAI's, which asks for base64", async () => {
    const { data } = await client.embeddings.create({ model, input: texts });
    expect(data.map(({ embedding }) => embedding)).toEqual(expected);
  });

  test("OpenAI's with tokens and with fewer dimensions", async () => {
    const { data } = await client.embeddings.create({ model, input: [1, 2, 3], dimensions: 2 });
    expect(data.map(({ embedding }) => embedding)).toEqual([vectorOf([1, 2, 3], 2)]);
    const { data: lists } = await client.embeddings.create({ model, input: [[1, 2], [3]] });
    expect(lists.map(({ embedding }) => embedding)).toEqual([vectorOf([1, 2]), vectorOf([3])]);
  });

  test("the AI SDK's for compatible providers", async () => {
    const compatible = createOpenAICompatible({
      name: 'bellwether',
      baseURL: `${setting.gateway.url}/v1`,
      apiKey: setting.key,
    });
    const { embeddings, usage } = await embedMany({ model: compatible.textEmbeddingModel(model), values: texts });
    expect(embeddings).toEqual(expected);
    expect(usage.tokens).toBe(6);
  });

  test("LangChain's", async () => {
    const embeddings = new OpenAIEmbeddings({
      model,
      apiKey: setting.key,
      configuration: { baseURL: `${setting.gateway.url}/v1` },
    });
    expect(await embeddings.embedDocuments(texts)).toEqual(expected);
  });
});

describeWithPython("OpenAI's client", () => {
  test("gets the provider's vectors at its defaults", async () => {
    const python = startPython('gateway/model-requests/embeddings_client.py');
    const connection = { base_url: `${setting.gateway.url}/v1`, api_key: setting.key };
    const input = ['Where is my order?', '订单在哪里？'];
    try {
      expect(await python.ask({ connection, model, input })).toEqual(input.map((text) => vectorOf(text)));
      expect(await python.ask({ connection, model, input: [[1, 2], [3]] })).toEqual([vectorOf([1, 2]), vectorOf([3])]);
    } finally {
      await python.stop();
    }
  });
});

test('a provider that does not know base64 gives the same vectors', async () => {
  provider.knowsBase64 = false;
  const { data } = await client.embeddings.create({ model, input: 'one' });
  expect(data[0]?.embedding).toEqual(vectorOf('one'));
});

test('a request whose vectors do not fit one call is split, and its vectors come in order', async () => {
  const input = Array.from({ length: 250 }, (_, index) => `text ${index}`);
  const { data, bellwether } = await embed({ input, dimensions: 1_536 });
  expect(data.map(({ index }) => index)).toEqual(input.map((_, index) => index));
  expect(data.every(({ embedding }, index) => embedding[5] === vectorOf(input[index], 1_536)[5])).toBe(true);
  expect(bellwether).toMatchObject({ calls: provider.calls.length, cost_usd: 0.000015 });
  expect(provider.calls.length).toBeGreaterThan(1);
  const ids = provider.calls.map(({ requestId }) => requestId.replace(/\.1$/, ''));
  for (const id of ids) expect(await setting.service.ledger.attempts(id)).toMatchObject([{ state: 'settled' }]);
});

test('the same Idempotency-Key gets the same bytes without another call, and refuses another request', async () => {
  const input = Array.from({ length: 200 }, (_, index) => `text ${index}`);
  const ask = async (changes = {}) =>
    (await setting.call(path, { model, input, dimensions: 1_536, ...changes }, { 'idempotency-key': 'k1' })).text();
  const first = await ask();
  const { length } = provider.calls;
  expect(await ask()).toBe(first);
  expect(provider.calls).toHaveLength(length);
  expect(await ask({ dimensions: 4 })).toContain('idempotency_key_reused');
});

test('a failed call is tried again, then the next target is asked, and failed calls cost nothing', async () => {
  provider.next.push(fault(503), fault(503));
  const { data, bellwether } = await embed({ input: 'one' });
  expect(data[0]?.embedding).toEqual(vectorOf('one'));
  expect(bellwether).toMatchObject({ attempts: 3, provider: `spare/${model}` });
  const rows = await setting.service.ledger.attempts(bellwether.turn_id);
  expect(rows.map(({ state, outcome, costNanoUsd }) => [state, outcome, costNanoUsd])).toEqual([
    ['released', 'server-error', 0],
    ['released', 'server-error', 0],
    ['settled', 'answered', 120],
  ]);
});

test.each<[string, AnswerCall]>([
  ['one vector too few', (_, response) => sendJson(response, 200, { data: [] })],
  [
    'vectors of two lengths',
    (_, response) =>
      sendJson(response, 200, {
        data: [
          { index: 0, embedding: [1] },
          { index: 1, embedding: [1, 2] },
        ],
      }),
  ],
  [
    'half a number',
    (_, response) => sendJson(response, 200, { data: [0, 1].map((index) => ({ index, embedding: 'AAA=' })) }),
  ],
])('%s is no answer: another call is made', async (_, answer) => {
  provider.next.push(answer);
  const { data } = await embed({ input: ['one', 'two'] });
  expect(data).toHaveLength(2);
  expect(provider.calls.length + second.calls.length).toBe(2);
});

test('an error of all targets has a status and no apology, and does not quote the input', async () => {
  const quoting: AnswerCall = (_, response) =>
    sendJson(response, 400, { error: { message: 'cannot embed: a secret of the caller' } });
  provider.next.push(quoting);
  second.next.push(quoting);
  const response = await setting.call(path, { model, input: 'a secret of the caller' });
  const text = await response.text();
  expect([response.status, response.headers.get('x-should-retry')]).toEqual([502, 'false']);
  expect(text).toContain('provider_refused_request');
  expect(text).not.toContain('secret');
  expect(text).not.toContain('degraded_reply');
});

test('a stop breaks the call off, and the request ends with an error that says so', async () => {
  const turnId = new Promise<string>((resolve) => {
    // It never answers.
    provider.next.push(({ requestId }) => {
      resolve(requestId.replace(/\.1$/, ''));
      return 'answered';
    });
  });
  const asked = setting.call(path, { model, input: 'one' });
  const stop = await setting.call(`/v1/turns/${await turnId}/cancel`, {});
  expect(stop.status).toBeLessThan(300);
  const response = await asked;
  expect([response.status >= 400, await response.text()]).toEqual([true, expect.stringContaining('turn_stopped')]);
  const rows = await setting.service.ledger.attempts(await turnId);
  expect(rows).toMatchObject([{ outcome: 'cancelled' }]);
  expect(second.calls).toEqual([]);
});

test('a request of which one turn failed fails again with its Idempotency-Key, without another call', async () => {
  provider.next.push(fault(400));
  const body = { model: 'long', input: Array.from({ length: 40 }, () => 'a') };
  const headers = { 'idempotency-key': 'fails-once' };
  const codeOf = async () => ((await (await setting.call(path, body, headers)).json()) as ErrorAnswer).error.code;
  expect(await codeOf()).toBe('provider_refused_request');
  expect(await codeOf()).toBe('provider_refused_request');
  expect(provider.calls).toHaveLength(2);
});

test('the vectors of clients that have left take room until their turns have ended', async () => {
  const held: (() => void)[] = [];
  const hold: AnswerCall = (_, response) => {
    held.push(() => sendJson(response, 400, { error: { message: 'no' } }));
    return 'answered';
  };
  // Five requests with as many numbers as one may have, each with four turns at a time, fill the room.
  provider.next.push(...Array.from({ length: 20 }, () => hold));
  const large = { model: 'long', input: Array.from({ length: 1_041 }, () => 'a') };
  const headers = { authorization: `Bearer ${setting.key}`, 'content-type': 'application/json' };
  const leaving = new AbortController();
  const request = { method: 'POST', headers, body: JSON.stringify(large), signal: leaving.signal };
  const left = Array.from({ length: 5 }, () => fetch(`${setting.gateway.url}${path}`, request).catch(() => 'left'));
  await eventually('all are under way', () => held.length === 20);
  const logged = setting.logged.length;
  leaving.abort();
  expect(await Promise.all(left)).toEqual(Array.from({ length: 5 }, () => 'left'));
  const areSeen = () =>
    setting.logged.slice(logged).filter((line) => line.includes('request ended') && line.includes('499')).length;
  await eventually('the gateway has seen them leave', () => areSeen() === 5);
  const refused = await setting.call(path, large);
  expect([refused.status, await refused.text()]).toEqual([503, expect.stringContaining('overloaded')]);
  for (const end of held) end();
  await eventually('the room is free again', async () => (await setting.call(path, large)).status === 200);
});

test('a budget refuses what could cost too much, before any call', async () => {
  const key = await createTestKey(setting.service, { dayNanoUsd: 1_000 });
  const body = JSON.stringify({ model: 'dear', input: 'x'.repeat(1_000) });
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const response = await fetch(`${setting.gateway.url}${path}`, { method: 'POST', body, headers });
  expect(response.status).toBe(402);
  expect(provider.calls).toEqual([]);
});

test('models are listed, and each is for its own route and for keys that may use it', async () => {
  const ids = (await client.models.list()).data.map(({ id }) => id);
  expect(ids).toContain(model);
  expect(await client.models.retrieve(model)).toMatchObject({ id: model, owned_by: 'vectors' });
  const chat = await setting.call('/v1/chat/completions', { model, messages: [{ role: 'user', content: 'x' }] });
  expect([chat.status, await chat.text()]).toEqual([404, expect.stringContaining('it is one for embeddings')]);
  const vectors = await setting.call(path, { model: 'bellwether', input: 'x' });
  expect([vectors.status, await vectors.text()]).toEqual([404, expect.stringContaining('it is one for chats')]);
  const key = await createTestKey(setting.service, { models: ['bellwether'] });
  const limited = new OpenAI({ baseURL: `${setting.gateway.url}/v1`, apiKey: key, maxRetries: 0 });
  await expect(limited.embeddings.create({ model, input: 'x' })).rejects.toMatchObject({ status: 403 });
});

test.each<[string, string, object]>([
  ['no input', 'input', {}],
  ['an empty text', 'input', { input: ['a', ''] }],
  ['texts beside tokens', 'input', { input: ['a', 1] }],
  ['an object', 'input', { input: { text: 'a' } }],
  ['too many texts', 'input', { input: Array.from({ length: 2_049 }, () => 'a') }],
  ['longer vectors than there are', 'dimensions', { input: 'a', dimensions: 1_537 }],
  ['no dimensions', 'dimensions', { input: 'a', dimensions: 0 }],
  ['another encoding', 'encoding_format', { input: 'a', encoding_format: 'int8' }],
])('%s are refused by name, and nothing is called', async (_, field, body) => {
  const response = await setting.call(path, { model, ...body });
  const { error } = (await response.json()) as ErrorAnswer;
  expect({ status: response.status, field: error.param?.split('[')[0] }).toEqual({ status: 400, field });
  expect(provider.calls).toEqual([]);
});

test('its turn is told as answered without vectors, counts for no rollout, and costs are listed by model', async () => {
  const { bellwether } = await embed({ input: 'one' });
  const turn = await (await setting.call(`/v1/turns/${bellwether.turn_id}`)).json();
  expect(turn).toMatchObject({ status: 'answered', completion: null, error: null });
  const rows = await setting.service.ledger.costsBy('model', 10);
  expect(rows).toContainEqual(expect.objectContaining({ key: model }));
  expect(setting.logged.join('\n')).not.toContain('"one"');
});

describe('moderations', () => {
  test("OpenAI's client gets a result for each text, from the model that is meant if it names none, for nothing", async () => {
    const { data, response } = await client.moderations.create({ input: ['all is well', 'do harm'] }).withResponse();
    expect(data.model).toBe('omni-moderation-latest');
    expect(data.results.map(({ flagged }) => flagged)).toEqual([false, true]);
    const rows = await setting.service.ledger.attempts(response.headers.get('x-bellwether-turn-id') ?? '');
    expect(rows).toMatchObject([{ state: 'settled', costNanoUsd: 0, arm: 'moderations/omni-moderation-latest' }]);
    expect(provider.calls).toMatchObject([{ path: '/v1/moderations', body: { input: ['all is well', 'do harm'] } }]);
  });

  test('a key that may use another model only means that one if it names none', async () => {
    const key = await createTestKey(setting.service, { models: ['second-moderation'] });
    const limited = new OpenAI({ baseURL: `${setting.gateway.url}/v1`, apiKey: key, maxRetries: 0 });
    expect(await limited.moderations.create({ input: 'all is well' })).toMatchObject({ model: 'second-moderation' });
  });

  test('one result too few is an error and no answer', async () => {
    const short: AnswerCall = (_, response) => sendJson(response, 200, { results: [{ flagged: false }] });
    provider.next.push(short, short);
    const response = await setting.call('/v1/moderations', { input: ['one', 'two'] });
    expect([response.status, await response.text()]).toEqual([502, expect.stringContaining('provider_bad_response')]);
  });

  test('pictures and too many texts are refused by name', async () => {
    const picture = [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }];
    for (const input of [picture, Array.from({ length: 257 }, () => 'a')]) {
      const response = await setting.call('/v1/moderations', { input });
      expect([response.status, await response.text()]).toEqual([400, expect.stringContaining('input')]);
    }
  });
});
