import OpenAI from 'openai';
import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import { faults } from '../../../src/local/simulator/behaviour';
import { eventually } from '../../support/eventually';
import { primaryModel } from '../../support/service';
import { type GatewayService, oneAttempt, startGatewayService } from '../gateway-service';

const thoughts = 'The user asks about an order.';
const model = 'bellwether';
const input = 'Where is my order?';
const tools = [
  {
    type: 'function' as const,
    name: 'find_order',
    parameters: { type: 'object', properties: { number: { type: 'string' } } },
    strict: false,
  },
];

let setting: GatewayService;
let client: OpenAI;
beforeAll(async () => {
  setting = await startGatewayService({ configuration: { retry: oneAttempt } });
  client = new OpenAI({ baseURL: `${setting.gateway.url}/v1`, apiKey: setting.key, maxRetries: 0 });
});
afterAll(() => setting.stop());
beforeEach(() => setting.service.simulator.setBehaviour('*', { alwaysFault: null, pieceGapMs: 10, thoughts: '' }));

async function eventsOf(stream: AsyncIterable<ResponseStreamEvent>): Promise<ResponseStreamEvent[]> {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

const textOf = (events: readonly ResponseStreamEvent[]): string =>
  events.map((event) => (event.type === 'response.output_text.delta' ? event.delta : '')).join('');

test.each([
  ['a text', input],
  ['calls of tools', 'call find_order {"number":"ORD-7"}\ncall find_order {"number":"ORD-8"}'],
])("%s, with the model's thoughts: what OpenAI's client puts together is the whole response", async (_, asked) => {
  await setting.service.simulator.setBehaviour(primaryModel, { thoughts });
  const stream = client.responses.stream({ model, input: asked, tools });
  const put = await stream.finalResponse();
  const whole = await client.responses.retrieve(put.id);
  const { output_text, ...rest } = whole;
  expect(put).toMatchObject(JSON.parse(JSON.stringify(rest)) as object);
  expect(put.output_text).toBe(output_text);
  expect(whole.output.some(({ type }) => type === 'reasoning')).toBe(true);
});

test('a stream is joined behind any of its events, on another gateway too', async () => {
  const events = await eventsOf(await client.responses.create({ model, input, stream: true }));
  const [created] = events;
  if (created?.type !== 'response.created') throw new Error('A stream begins with response.created.');
  const other = await setting.startGateway();
  const joined = new OpenAI({ baseURL: `${other.url}/v1`, apiKey: setting.key });
  for (const index of [0, 2, 5, events.length - 2]) {
    const starting_after = events[index]?.sequence_number ?? 0;
    const rest = await eventsOf(await joined.responses.retrieve(created.response.id, { stream: true, starting_after }));
    expect(textOf(events.slice(0, index + 1)) + textOf(rest)).toBe(textOf(events));
    expect(rest.at(-1)).toEqual(events.at(-1));
  }
  const last = events.at(-1)?.sequence_number ?? 0;
  const nothing = await joined.responses.retrieve(created.response.id, { stream: true, starting_after: last });
  expect(await eventsOf(nothing)).toEqual([]);
  await other.close();
});

test('a stream does not go on behind the text of another answer', async () => {
  const events = await eventsOf(await client.responses.create({ model, input, stream: true }));
  const [created] = events;
  const delta = events.find(({ type }) => type === 'response.output_text.delta');
  if (created?.type !== 'response.created' || delta === undefined) throw new Error('It has no text.');
  // The lowest bits are the text's.
  const starting_after = delta.sequence_number ^ 1;
  const rejoined = client.responses.retrieve(created.response.id, { stream: true, starting_after });
  await expect(rejoined).rejects.toMatchObject({ status: 412, param: 'starting_after', code: 'stream_diverged' });
});

test('a background response is answered at once, shows that it goes on, and is joined', async () => {
  await setting.service.simulator.setBehaviour('*', { pieceGapMs: 100 });
  const begun = await client.responses.create({ model, input, background: true, metadata: { shop: '7' } });
  expect(begun).toMatchObject({ status: 'queued', background: true, output: [] });
  expect(await client.responses.retrieve(begun.id)).toMatchObject({
    status: 'in_progress',
    metadata: { shop: '7' },
  });
  const events = await eventsOf(await client.responses.retrieve(begun.id, { stream: true }));
  expect(events.filter(({ type }) => type === 'response.output_text.delta').length).toBeGreaterThan(2);
  const done = await client.responses.retrieve(begun.id);
  expect(done).toMatchObject({ status: 'completed', output_text: textOf(events) });
});

test('a background response that is cancelled says so, to whoever asks, reads its stream or cancels again', async () => {
  await setting.service.simulator.setBehaviour('*', { pieceGapMs: 1_000 });
  const begun = await client.responses.create({ model, input, background: true });
  const stream = await client.responses.retrieve(begun.id, { stream: true });
  const events = eventsOf(stream);
  expect(await client.responses.cancel(begun.id)).toMatchObject({ id: begun.id, status: 'cancelled', error: null });
  expect((await events).at(-1)).toMatchObject({ type: 'response.failed', response: { status: 'cancelled' } });
  expect(await client.responses.cancel(begun.id)).toMatchObject({ status: 'cancelled' });
  expect(await client.responses.retrieve(begun.id)).toMatchObject({ status: 'cancelled' });
});

test('a response whose turn was ended by force cannot be continued', async () => {
  await setting.service.simulator.setBehaviour('*', { pieceGapMs: 1_000 });
  const { id } = await client.responses.create({ model, input, background: true });
  await setting.service.temporal.workflow.getHandle(id.replace('resp_', 'turn/')).terminate('by an operator');
  const continuing = client.responses.create({ model, input, previous_response_id: id });
  await expect(continuing).rejects.toMatchObject({ status: 400, code: 'previous_response_not_found' });
  const referring = client.responses.create({
    model,
    input: [{ type: 'item_reference', id: id.replace('resp', 'msg') }],
  });
  await expect(referring).rejects.toMatchObject({ status: 404, code: 'item_not_found' });
});

test('a response that has ended stays as it is when it is cancelled, and nobody cancels that of another key', async () => {
  const { id } = await client.responses.create({ model, input });
  const other = new OpenAI({ baseURL: client.baseURL, apiKey: await setting.createKey(), maxRetries: 0 });
  await expect(other.responses.cancel(id)).rejects.toMatchObject({ status: 404 });
  expect(await client.responses.cancel(id)).toMatchObject({ status: 'completed' });
});

test('a background response that cannot be stored is refused', async () => {
  const refused = client.responses.create({ model, input, background: true, store: false });
  await expect(refused).rejects.toMatchObject({ status: 400, param: 'store' });
});

test('a failure before any text has its status; one in the middle is told as response.failed', async () => {
  await setting.service.simulator.setBehaviour('*', { alwaysFault: faults.serverError(503) });
  await expect(client.responses.create({ model, input, stream: true })).rejects.toMatchObject({ status: 503 });

  await setting.service.simulator.setBehaviour('*', {
    pieceGapMs: 20,
    alwaysFault: { kind: 'error-in-body', afterTokens: 3, message: 'overloaded' },
  });
  const events = await eventsOf(await client.responses.create({ model, input, stream: true }));
  const last = events.at(-1);
  if (last?.type !== 'response.failed') throw new Error(`It ended with ${last?.type}.`);
  expect(last.response).toMatchObject({ status: 'failed', error: { code: 'provider_unavailable' } });
  expect(events.some(({ type }) => type === 'response.completed')).toBe(false);
});

test('a used-up budget is refused before the stream, and is not to be repeated', async () => {
  const apiKey = await setting.createKey({ totalNanoUsd: 1 });
  const response = await fetch(`${setting.gateway.url}/v1/responses`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, input, stream: true }),
  });
  expect(response.status).toBe(402);
  expect(response.headers.get('x-should-retry')).toBe('false');
  expect(await response.json()).toMatchObject({ error: { code: 'insufficient_quota' } });
});

test('the same Idempotency-Key gets the same events from one call', async () => {
  await setting.service.simulator.clearCalls();
  const options = { headers: { 'Idempotency-Key': crypto.randomUUID() } };
  const ask = async () => eventsOf(await client.responses.create({ model, input, stream: true }, options));
  const [first, second] = await Promise.all([ask(), ask()]);
  const third = await ask();
  for (const events of [second, third]) {
    expect(textOf(events)).toBe(textOf(first));
    expect(events.at(-1)).toEqual(first.at(-1));
  }
  expect(await setting.service.simulator.calls()).toHaveLength(1);
});

test('a reader who leaves stops nothing, and the response can be asked for', async () => {
  await setting.service.simulator.setBehaviour('*', { pieceGapMs: 50 });
  const stream = await client.responses.create({ model, input, stream: true });
  let id = '';
  for await (const event of stream) {
    if (event.type === 'response.created') ({ id } = event.response);
    if (event.type === 'response.output_text.delta') break;
  }
  const isCompleted = async () => (await client.responses.retrieve(id)).status === 'completed';
  await eventually('the response is whole', isCompleted);
});

test('whoever has joined a stream keeps it going when its first reader leaves, who would stop it', async () => {
  await setting.service.simulator.setBehaviour('*', { pieceGapMs: 50 });
  const headers = { 'x-bellwether-on-disconnect': 'cancel' };
  const stream = await client.responses.create({ model, input, stream: true }, { headers });
  let joined: Promise<ResponseStreamEvent[]> | undefined;
  for await (const event of stream) {
    if (event.type === 'response.created') {
      joined = eventsOf(await client.responses.retrieve(event.response.id, { stream: true }));
    }
    if (event.type === 'response.output_text.delta') break;
  }
  expect((await joined)?.at(-1)).toMatchObject({ type: 'response.completed' });
});

test.each([
  ['starting_after=4', 'starting_after'],
  ['stream=yes', 'stream'],
  ['stream=true&starting_after=-1', 'starting_after'],
  ['stream=true&starting_after=2.5', 'starting_after'],
  ['stream=true&starting_after=4294967296', 'starting_after'],
])('?%s is refused', async (query, param) => {
  const { id } = await client.responses.create({ model, input });
  const response = await setting.call(`/v1/responses/${id}?${query}`);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error: { param } });
});
