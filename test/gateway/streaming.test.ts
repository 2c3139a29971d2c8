import { connect } from 'node:net';
import { advance, answerStart, formatPosition } from '../../src/domain/stream/answer-so-far';
import type { Completion } from '../../src/gateway/completion';
import { gatewayLimits } from '../../src/gateway/limits';
import { eventually } from '../support/eventually';
import { primaryModel } from '../support/service';
import { hello, oneAttempt } from './gateway-service';
import { type HeldGatewayService, heldUser, startHeldGatewayService } from './held-model';
import { allEvents, chunksOf, readEvents, textOf } from './read-stream';

let setting: HeldGatewayService;
beforeAll(async () => {
  setting = await startHeldGatewayService({
    configuration: { retry: oneAttempt },
    limits: { heartbeatMs: 100, holdHeadersMs: 400 },
  });
});
afterAll(() => setting.stop());
beforeEach(async () => {
  setting.model.hold();
  await setting.service.simulator.clearCalls();
});
afterEach(() => setting.service.simulator.setBehaviour('*', { firstTokenMs: 0, pieceGapMs: 0, alwaysFault: null }));

const stream = (changes: object = {}, headers: Record<string, string> = {}) =>
  setting.call('/v1/chat/completions', { ...hello, stream: true, ...changes }, headers);

test('a stream begins with the role, tells the text in pieces and why it ended, and is done', async () => {
  await setting.service.simulator.setBehaviour('*', { pieceGapMs: 20 });
  const response = await stream();
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const turnId = response.headers.get('x-bellwether-turn-id');
  const events = await allEvents(response);
  const chunks = chunksOf(events);
  expect(chunks[0]?.choices).toEqual([
    { index: 0, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null },
  ]);
  expect(chunks.length).toBeGreaterThan(4);
  expect(new Set(chunks.map(({ id, created }) => `${id} ${created}`)).size).toBe(1);
  expect(chunks[0]?.id).toBe(`chatcmpl-${turnId}`);
  expect(chunks.at(-1)).toMatchObject({
    model: primaryModel,
    choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
    bellwether: { turn_id: turnId, provider: 'holysheep-primary', attempts: 1 },
  });
  expect(chunks.every((chunk) => !('usage' in chunk))).toBe(true);
  expect(events.at(-1)?.data).toBe('[DONE]');
});

test('plain and streamed answers are the same text, with the same usage', async () => {
  const plain = (await (await setting.call('/v1/chat/completions', hello)).json()) as Completion;
  const events = await allEvents(await stream({ stream_options: { include_usage: true } }));
  expect(textOf(events)).toBe(plain.choices[0]?.message.content);
  const chunks = chunksOf(events);
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: plain.usage, bellwether: { attempts: 1 } });
  expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
});

test('the first text comes while the model still speaks', async () => {
  const asked = stream({ user: heldUser });
  await eventually('the model is asked', () => setting.model.openCalls() === 1);
  setting.model.say('Your order');
  let text = '';
  for await (const event of readEvents(await asked)) {
    text += textOf([event]);
    // The end comes only for who has the beginning.
    if (text === 'Your order') setting.model.release();
  }
  expect(text).toBe('Your order');
});

test('every event says up to where the answer has come with it', async () => {
  const events = await allEvents(await stream());
  let position = answerStart;
  for (const { id, data } of events) {
    if (typeof data !== 'object' || data === null || !('choices' in data)) continue;
    position = advance(position, data.choices[0]?.delta.content ?? '');
    expect(id).toBe(formatPosition(position));
  }
});

test('while a model thinks, the headers come after a moment, and comments keep the connection', async () => {
  const events = [];
  for await (const event of readEvents(await stream({ user: heldUser }))) {
    events.push(event);
    if (events.filter(({ data }) => data === null).length === 3) setting.model.release();
  }
  expect(textOf(events)).toContain('Your order');
  expect(events.at(-1)?.data).toBe('[DONE]');
});

test('calls of tools come whole at the end', async () => {
  const find = { type: 'function', function: { name: 'find_order', parameters: { type: 'object', properties: {} } } };
  const body = { tools: [find], tool_choice: { type: 'function', function: { name: 'find_order' } } };
  const plain = (await (await setting.call('/v1/chat/completions', { ...hello, ...body })).json()) as Completion;
  expect(plain.choices[0]).toMatchObject({
    finish_reason: 'tool_calls',
    message: { content: null, tool_calls: [{ type: 'function', function: { name: 'find_order' } }] },
  });
  const chunks = chunksOf(await allEvents(await stream(body)));
  expect(chunks.at(-2)?.choices[0]?.delta.tool_calls).toMatchObject([
    { index: 0, type: 'function', function: { name: 'find_order' } },
  ]);
  expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('tool_calls');
});

test('a turn that fails when its stream has begun ends in an error event, and is not done', async () => {
  await setting.service.simulator.setBehaviour('*', {
    firstTokenMs: 1_000,
    alwaysFault: { kind: 'error-in-body', afterTokens: 2, message: 'overloaded' },
  });
  const events = await allEvents(await stream());
  expect(events.at(-1)?.data).toMatchObject({
    error: { code: expect.stringMatching(/^provider_/), degraded_reply: expect.any(String) },
  });
  expect(chunksOf(events).every(({ choices }) => choices[0]?.finish_reason === null)).toBe(true);
});

test('a turn that fails behind the headers of a gateway as it ships ends in an error event too', async () => {
  const gateway = await setting.startGateway({ limits: gatewayLimits });
  await setting.service.simulator.setBehaviour('*', {
    firstTokenMs: gatewayLimits.holdHeadersMs + 1_000,
    alwaysFault: { kind: 'error-in-body', afterTokens: 2, message: 'overloaded' },
  });
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${setting.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...hello, stream: true }),
  });
  expect(response.status).toBe(200);
  const events = await allEvents(response);
  expect(events.at(-1)?.data).toMatchObject({ error: { code: expect.stringMatching(/^provider_/) } });
  expect(events.some(({ data }) => data === '[DONE]')).toBe(false);
  await gateway.close();
});

test('a client that goes away ends the reading, not the turn', async () => {
  await setting.service.simulator.setBehaviour('*', { pieceGapMs: 50 });
  const gone = new AbortController();
  const response = await fetch(`${setting.gateway.url}/v1/chat/completions`, {
    method: 'POST',
    signal: gone.signal,
    headers: { authorization: `Bearer ${setting.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...hello, stream: true }),
  });
  const turnId = response.headers.get('x-bellwether-turn-id') ?? '';
  await readEvents(response).next();
  gone.abort();
  await eventually('no stream is open', async () => (await metric('bellwether_gateway_open_streams')) === 0);
  await eventually('the turn is answered', async () => {
    return (await setting.service.ledger.requests.find(turnId))?.outcome === 'answered';
  });
  expect(await setting.service.simulator.calls()).toMatchObject([{ outcome: 'answered' }]);
});

test('a client that does not read holds back only itself', async () => {
  const { port } = new URL(setting.gateway.url);
  const body = JSON.stringify({ ...hello, stream: true });
  const socket = connect(Number(port), '127.0.0.1', () => {
    socket.pause();
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${setting.key}\r\n` +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
  });
  await eventually('the model is asked', async () => (await setting.service.simulator.calls()).length === 1);
  expect(textOf(await allEvents(await stream()))).not.toBe('');
  socket.destroy();
});

test('the same Idempotency-Key streams the same answer again, from the same turn', async () => {
  const headers = { 'idempotency-key': crypto.randomUUID() };
  const [first, second] = await Promise.all([stream({}, headers), stream({}, headers)]);
  expect(first.headers.get('x-bellwether-turn-id')).toBe(second.headers.get('x-bellwether-turn-id'));
  const [one, other] = [await allEvents(first), await allEvents(second)];
  expect(textOf(one)).toBe(textOf(other));
  expect(textOf(await allEvents(await stream({}, headers)))).toBe(textOf(one));
  expect(await setting.service.simulator.calls()).toHaveLength(1);
});

async function metric(name: string): Promise<number> {
  const text = await setting.metrics();
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
}
