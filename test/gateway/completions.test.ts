import type { Completion } from '../../src/gateway/completion';
import { fallbackModel, primaryModel } from '../support/service';
import { unique } from '../support/temporal';
import { type ErrorAnswer, type GatewayService, hello, startGatewayService } from './gateway-service';

let setting: GatewayService;
beforeAll(async () => {
  setting = await startGatewayService({ configuration: { gateway: { aliases: ['gpt-4o-mini'] } } });
});
afterAll(() => setting.stop());
beforeEach(() => setting.service.simulator.clearCalls());

async function complete(body: unknown, headers?: Record<string, string>): Promise<Completion> {
  const response = await setting.call('/v1/chat/completions', body, headers);
  const answer = (await response.json()) as Completion;
  expect({ status: response.status, answer }).toMatchObject({ status: 200 });
  return answer;
}

test('a request is answered in the shape of OpenAI, with what the turn cost beside it', async () => {
  const response = await setting.call('/v1/chat/completions', hello);
  const answer = (await response.json()) as Completion;
  expect(response.status).toBe(200);
  expect(answer).toMatchObject({
    id: `chatcmpl-${answer.bellwether.turn_id}`,
    object: 'chat.completion',
    model: primaryModel,
    choices: [{ index: 0, message: { role: 'assistant' }, finish_reason: 'stop' }],
    bellwether: { provider: 'holysheep-primary', handler: 'holysheep', attempts: 1, canary: false },
  });
  expect(answer.choices[0]?.message.content).toEqual(expect.stringMatching(/\w/));
  expect(answer.usage.total_tokens).toBe(answer.usage.prompt_tokens + answer.usage.completion_tokens);
  expect(Math.abs(answer.created - Date.now() / 1000)).toBeLessThan(60);
  expect(response.headers.get('x-bellwether-turn-id')).toBe(answer.bellwether.turn_id);
  expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  const [attempt] = await setting.service.ledger.attempts(answer.bellwether.turn_id);
  expect(attempt).toMatchObject({ state: 'settled', promptTokens: answer.usage.prompt_tokens });
});

test("the caller's request id comes back when it can stand in a log, and another one when not", async () => {
  const given = await setting.call('/v1/models', undefined, { 'x-request-id': 'order-service:42' });
  expect(given.headers.get('x-request-id')).toBe('order-service:42');
  const strange = await setting.call('/v1/models', undefined, { 'x-request-id': 'a b "c"' });
  expect(strange.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
});

test('an alias is routed, and a model of the chain is accepted by its name', async () => {
  expect((await complete({ ...hello, model: 'gpt-4o-mini' })).model).toBe(primaryModel);
  expect([primaryModel, fallbackModel]).toContain((await complete({ ...hello, model: fallbackModel })).model);
});

test('fields that mean nothing here are ignored, and null is as good as nothing', async () => {
  const answer = await complete({
    ...hello,
    store: true,
    service_tier: 'auto',
    logprobs: null,
    max_tokens: null,
    temperature: null,
    tools: [],
    tool_choice: 'auto',
    metadata: null,
    x_unknown: { deep: [1] },
  });
  expect(answer.choices[0]?.finish_reason).toBe('stop');
});

test('a list of parts and a long history are answered as they are', async () => {
  const history = Array.from({ length: 30 }, (_, index) => [
    { role: 'user', content: `question ${index}` },
    { role: 'assistant', content: `answer ${index}` },
  ]).flat();
  const short = await complete(hello);
  const long = await complete({
    ...hello,
    messages: [
      { role: 'developer', content: 'Be brief.' },
      ...history,
      { role: 'user', content: [{ type: 'text', text: 'Where is my order?' }] },
    ],
  });
  expect(long.usage.prompt_tokens).toBeGreaterThan(short.usage.prompt_tokens + 100);
});

test('empty texts of others than the user are taken, and not sent', async () => {
  const empty = ['system', 'assistant', 'developer'].map((role) => ({ role, content: '' }));
  for (const headers of [undefined, { 'x-bellwether-session': unique('session') }]) {
    const plain = await complete(hello);
    const answer = await complete({ ...hello, messages: [...empty, ...hello.messages] }, headers);
    expect(answer.usage).toEqual(plain.usage);
  }
});

test('a user of any name is accepted', async () => {
  await complete({ ...hello, user: 'Zoë Müller <zoe@example.com>' });
  await complete({ ...hello, user: 'x'.repeat(5_000) });
});

test('the models are listed and found by name', async () => {
  const list = (await (await setting.call('/v1/models')).json()) as { data: { id: string }[] };
  expect(list).toMatchObject({ object: 'list' });
  expect(list.data.map(({ id }) => id)).toEqual(
    expect.arrayContaining(['bellwether', 'gpt-4o-mini', primaryModel, fallbackModel]),
  );
  expect(await (await setting.call('/v1/models/bellwether')).json()).toMatchObject({
    id: 'bellwether',
    object: 'model',
  });
  const unknown = await setting.call('/v1/models/gpt-99');
  expect(unknown.status).toBe(404);
  expect(await unknown.json()).toMatchObject({ error: { code: 'model_not_found', param: 'model' } });
});

describe('an Idempotency-Key', () => {
  test('makes a hundred parallel requests one turn, with one answer to the byte', async () => {
    const headers = { 'idempotency-key': crypto.randomUUID() };
    const bodies = await Promise.all(
      Array.from({ length: 100 }, async () => (await setting.call('/v1/chat/completions', hello, headers)).text()),
    );
    expect(new Set(bodies).size).toBe(1);
    expect(JSON.parse(bodies[0] ?? '')).toMatchObject({ object: 'chat.completion' });
    expect(await setting.service.simulator.calls()).toHaveLength(1);
    const { created, bellwether } = JSON.parse(bodies[0] ?? '') as Completion;
    const registered = await setting.service.ledger.requests.find(bellwether.turn_id);
    expect(created).toBe(Math.floor((registered?.createdAtMs ?? 0) / 1000));
    expect(await (await setting.call('/v1/chat/completions', hello, headers)).text()).toBe(bodies[0]);
  });

  test('is refused with another request, and belongs to one API key', async () => {
    const headers = { 'idempotency-key': 'order-42' };
    const first = await complete(hello, headers);
    const other = await setting.call('/v1/chat/completions', { ...hello, temperature: 0.1 }, headers);
    expect(other.status).toBe(422);
    expect(((await other.json()) as ErrorAnswer).error.code).toBe('idempotency_key_reused');
    const stranger = await setting.createKey();
    const theirs = await complete(hello, { ...headers, authorization: `Bearer ${stranger}` });
    expect(theirs.id).not.toBe(first.id);
  });

  test('leaves a hash of the request, and no hash is left without one', async () => {
    const { bellwether: keyed } = await complete(hello, { 'idempotency-key': 'order-44' });
    const { bellwether: unkeyed } = await complete(hello, {});
    const { requests } = setting.service.ledger;
    expect((await requests.find(keyed.turn_id))?.bodyHash).toMatch(/^:[0-9a-f]{64}$/);
    expect(await requests.find(unkeyed.turn_id)).toMatchObject({ bodyHash: '' });
  });

  test('answers no other question once it is not known any more what it asked for', async () => {
    const headers = { 'idempotency-key': 'order-45' };
    await complete(hello, headers);
    await setting.service.ledger.requests.prune(Date.now() + 8 * 24 * 60 * 60 * 1000);
    const other = await setting.call('/v1/chat/completions', { ...hello, temperature: 0.1 }, headers);
    expect(other.status).toBe(410);
    expect(((await other.json()) as ErrorAnswer).error.code).toBe('turn_not_kept');
    expect(await setting.service.simulator.calls()).toHaveLength(1);
  });

  test('can be used again after a request that was refused', async () => {
    const headers = { 'idempotency-key': 'order-43' };
    const refused = await setting.call(
      '/v1/chat/completions',
      { ...hello, messages: [{ role: 'user', content: null }] },
      headers,
    );
    expect(refused.status).toBe(400);
    await complete(hello, headers);
  });

  test.each(['', 'x'.repeat(256), 'a b'])('that is none is refused: %j', async (key) => {
    const refused = await setting.call('/v1/chat/completions', hello, { 'idempotency-key': key });
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ error: { param: 'Idempotency-Key' } });
  });
});

test('no text of a message or an answer stands in the log', async () => {
  const answer = await complete({ ...hello, messages: [{ role: 'user', content: 'a secret: tarragon' }] });
  await setting.call('/v1/chat/completions', { messages: 'tarragon' });
  const log = setting.logged.join('');
  expect(log).toContain(answer.bellwether.turn_id);
  expect(log).not.toContain('tarragon');
  expect(log).not.toContain(answer.choices[0]?.message.content?.slice(0, 20));
  expect(log).not.toContain(setting.key.slice(-20));
});
