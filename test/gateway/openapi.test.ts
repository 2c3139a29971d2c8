import { z } from 'zod';
import { faults } from '../../src/local/simulator/behaviour';
import { errorTable } from '../../src/gateway/error-codes';
import { type GatewayService, hello, startGatewayService, oneAttempt } from './gateway-service';
import { allEvents, chunksOf } from './read-stream';

interface Operation {
  readonly responses: Record<string, { description: string; content: Record<string, { schema: object }> }>;
  readonly requestBody?: { readonly content: Record<string, { readonly schema: object }> };
  readonly parameters?: readonly { readonly name: string; readonly schema: object }[];
}

interface Described {
  readonly paths: Record<string, Record<string, Operation>>;
}

let setting: GatewayService;
let described: Described;
beforeAll(async () => {
  setting = await startGatewayService({
    configuration: { retry: oneAttempt },
  });
  described = (await (await fetch(`${setting.gateway.url}/openapi.json`)).json()) as Described;
});
afterAll(() => setting.stop());

/** The described shape of an answer. Fields that it does not name are not allowed. */
function schemaOf(path: string, method: 'get' | 'post', status: string, type = 'application/json'): z.ZodType {
  const schema = described.paths[path]?.[method]?.responses[status]?.content[type]?.schema;
  if (schema === undefined) throw new Error(`${method} ${path} describes no ${type} of status ${status}.`);
  return z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
}

function requestSchema(): z.ZodType {
  const schema = described.paths['/v1/chat/completions']?.['post']?.requestBody?.content['application/json']?.schema;
  return z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
}

test('every route is described, and every described route is there', async () => {
  const operations = Object.entries(described.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(operations.toSorted()).toEqual([
    'DELETE /v1/responses/{response}',
    'DELETE /v1/sessions/{session}',
    'GET /healthz',
    'GET /metrics',
    'GET /readyz',
    'GET /v1/models',
    'GET /v1/models/{model}',
    'GET /v1/responses/{response}',
    'GET /v1/sessions',
    'GET /v1/sessions/{session}',
    'GET /v1/sessions/{session}/transcript',
    'GET /v1/turns/{turn}',
    'GET /v1/turns/{turn}/stream',
    'POST /v1/chat/completions',
    'POST /v1/completions',
    'POST /v1/embeddings',
    'POST /v1/moderations',
    'POST /v1/responses',
    'POST /v1/responses/{response}/cancel',
    'POST /v1/sessions/{session}/close',
    'POST /v1/sessions/{session}/give-back',
    'POST /v1/sessions/{session}/hand-over',
    'POST /v1/sessions/{session}/messages',
    'POST /v1/turns/{turn}/cancel',
    'POST /v1/turns/{turn}/feedback',
  ]);
  for (const operation of operations) {
    const [method = '', path = ''] = operation.split(' ');
    const url = `${setting.gateway.url}${path.replaceAll(/[{}]/g, '')}`;
    const response = await fetch(url, { method, headers: { authorization: `Bearer ${setting.key}` } });
    const text = await response.text();
    expect(text).not.toContain('unknown_route');
    expect(text).not.toContain('method_not_allowed');
  }
});

test('answers are as they are described', async () => {
  const completions = '/v1/chat/completions';
  const response = await setting.call(completions, hello);
  const turnId = response.headers.get('x-bellwether-turn-id') ?? '';
  schemaOf(completions, 'post', '200').parse(await response.json());
  const turn = await (await setting.call(`/v1/turns/${turnId}`)).json();
  schemaOf('/v1/turns/{turn}', 'get', '200').parse(turn);
  const feedback = await (await setting.call(`/v1/turns/${turnId}/feedback`, { signal: 'up' })).json();
  schemaOf('/v1/turns/{turn}/feedback', 'post', '200').parse(feedback);
  schemaOf('/v1/models', 'get', '200').parse(await (await setting.call('/v1/models')).json());
  schemaOf('/v1/models/{model}', 'get', '200').parse(await (await setting.call('/v1/models/bellwether')).json());
  schemaOf('/readyz', 'get', '200').parse(await (await fetch(`${setting.gateway.url}/readyz`)).json());
});

test('answers and chunks that call tools are as they are described', async () => {
  const body = {
    model: 'bellwether',
    messages: [{ role: 'user', content: 'call find_order {"id":7}' }],
    tools: [{ type: 'function', function: { name: 'find_order' } }],
  };
  const completion = await (await setting.call('/v1/chat/completions', body)).json();
  expect(completion).toMatchObject({ choices: [{ finish_reason: 'tool_calls' }] });
  schemaOf('/v1/chat/completions', 'post', '200').parse(completion);
  const withUsage = { stream: true, stream_options: { include_usage: true } };
  const chunk = schemaOf('/v1/chat/completions', 'post', '200', 'text/event-stream');
  for (const request of [
    { ...body, ...withUsage },
    { ...hello, ...withUsage },
    { ...hello, stream: true },
  ]) {
    const chunks = chunksOf(await allEvents(await setting.call('/v1/chat/completions', request)));
    expect(chunks.length).toBeGreaterThan(2);
    for (const each of chunks) chunk.parse(each);
  }
});

test('errors are as they are described', async () => {
  const path = '/v1/chat/completions';
  schemaOf(path, 'post', '400').parse(await (await setting.call(path, {})).json());
  schemaOf('/v1/models', 'get', '401').parse(await (await fetch(`${setting.gateway.url}/v1/models`)).json());
  await setting.service.simulator.setBehaviour('*', { alwaysFault: faults.serverError(503) });
  const failed = await setting.call(path, hello);
  schemaOf(path, 'post', '503').parse(await failed.json());
  const turn = await (await setting.call(`/v1/turns/${failed.headers.get('x-bellwether-turn-id')}`)).json();
  schemaOf('/v1/turns/{turn}', 'get', '200').parse(turn);
});

test('every error of the catalogue is described at a route, but for those of paths and methods that do not exist', () => {
  const responses = Object.values(described.paths).flatMap((methods) =>
    Object.values(methods).flatMap((operation) => Object.entries(operation.responses)),
  );
  for (const row of errorTable().slice(2)) {
    const [, status = '', code = '', , meaning = ''] = row.split('|').map((cell) => cell.trim());
    if (code === '`unknown_route`' || code === '`method_not_allowed`') continue;
    const descriptions = responses.filter(([of]) => of === status).map(([, { description }]) => description);
    expect(descriptions).toContainEqual(expect.stringContaining(`${code}: ${meaning}`));
  }
});

test('what a request may hold is described: the fields, their limits and the headers', () => {
  const text = JSON.stringify(described.paths['/v1/chat/completions']);
  for (const name of [
    'max_completion_tokens',
    'response_format',
    'tool_choice',
    'idempotency-key',
    'x-bellwether-session',
  ]) {
    expect(text).toContain(name);
  }
  expect(text).toContain('"maximum":2');
});

describe('the description of a request is as strict as the route:', () => {
  const { messages } = hello;
  const image = (url: string) => ({ role: 'user', content: [{ type: 'image_url', image_url: { url } }] });
  const answer = (fields: object) => [...messages, { role: 'assistant', ...fields }, ...messages];

  test.each<[string, object]>([
    ['a user by number', { user: 7 }],
    ['no tools', { tools: [], functions: [], function_call: 'auto' }],
    ['a custom tool', { tools: [{ type: 'custom', custom: { name: 'f' } }] }],
    ['what is off', { logprobs: false, top_logprobs: 0, web_search: null, service_tier: 'auto', n: 1 }],
    ['what nobody knows', { x_unknown: { deep: [1] } }],
    ['an answer of nothing', { messages: answer({ content: null }) }],
    ['thoughts', { messages: answer({ content: 'x', reasoning_content: 'y' }) }],
    ['a picture', { messages: [image('data:image/png;base64,AAAA')] }],
    ['biases', { logit_bias: { 50256: -100 } }],
  ])('both take %s', async (_, fields) => {
    const body = { ...hello, ...fields };
    expect(requestSchema().safeParse(body).error).toBeUndefined();
    expect((await setting.call('/v1/chat/completions', body)).status).not.toBe(400);
  });

  test.each<[string, object]>([
    ['functions', { functions: [{ name: 'f' }] }],
    ['a choice of a function', { function_call: { name: 'f' } }],
    ['a sound', { audio: { voice: 'alloy' } }],
    ['log probabilities', { logprobs: true }],
    ['most likely tokens', { top_logprobs: 2 }],
    ['another price', { service_tier: 'flex' }],
    ['web_search_options', { web_search_options: {} }],
    ['plugins', { plugins: [{ id: 'web' }] }],
    ['a tool of the provider', { tools: [{ type: 'web_search' }] }],
    ['a tool without a function', { tools: [{ type: 'function' }] }],
    ['two answers', { n: 2 }],
    ['an empty session', { metadata: { session_id: ' ' } }],
    ['half a user', { user: 1.5 }],
    ['biases that are texts', { logit_bias: { 50256: '-100' } }],
    ['an unknown role', { messages: [{ role: 'function', content: 'x' }] }],
    ['a user without content', { messages: [{ role: 'user' }] }],
    ['a result without its call', { messages: [{ role: 'tool', content: 'x' }] }],
    ['a call of an older kind', { messages: answer({ content: null, function_call: { name: 'f' } }) }],
    ['a part that is a sound', { messages: [{ role: 'user', content: [{ type: 'input_audio' }] }] }],
    ['a refusal of a user', { messages: [{ role: 'user', content: [{ type: 'refusal', refusal: 'No.' }] }] }],
    ['a picture that is none', { messages: [image('data:text/html;base64,AAAA')] }],
    ['a picture of another', { messages: [image('bellwether-image:sha256-0')] }],
  ])('both refuse %s', async (_, fields) => {
    const body = { ...hello, ...fields };
    expect(requestSchema().safeParse(body).success).toBe(false);
    expect((await setting.call('/v1/chat/completions', body)).status).toBe(400);
  });

  test.each([
    ['x-bellwether-session', ' '],
    ['idempotency-key', 'a b'],
  ])('both refuse the header %s: "%s"', async (name, value) => {
    const { parameters = [] } = described.paths['/v1/chat/completions']?.['post'] ?? {};
    const schema = parameters.find((parameter) => parameter.name === name)?.schema ?? {};
    expect(z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]).safeParse(value).success).toBe(false);
    expect((await setting.call('/v1/chat/completions', hello, { [name]: value })).status).toBe(400);
  });
});
