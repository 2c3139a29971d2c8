import { z } from 'zod';
import { faults } from '../../src/local/simulator/behaviour';
import { errorTable } from '../../src/gateway/error-codes';
import { type GatewayService, hello, startGatewayService, oneAttempt } from './gateway-service';
import { allEvents, chunksOf } from './read-stream';

interface Described {
  readonly paths: Record<
    string,
    Record<string, { responses: Record<string, { description: string; content: Record<string, { schema: object }> }> }>
  >;
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

test('every route is described, and every described route is there', async () => {
  const operations = Object.entries(described.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(operations.toSorted()).toEqual([
    'GET /healthz',
    'GET /metrics',
    'GET /readyz',
    'GET /v1/models',
    'GET /v1/models/{model}',
    'GET /v1/turns/{turn}',
    'GET /v1/turns/{turn}/stream',
    'POST /v1/chat/completions',
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
