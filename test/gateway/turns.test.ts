import { advance, answerStart, formatPosition } from '../../src/domain/stream/answer-so-far';
import { turnWorkflowId } from '../../src/contract/names';
import type { Completion } from '../../src/gateway/completion';
import { eventually } from '../support/eventually';
import { unique } from '../support/temporal';
import { type ErrorAnswer, hello, oneAttempt } from './gateway-service';
import { type HeldGatewayService, heldUser, startHeldGatewayService } from './held-model';
import { allEvents, chunksOf, readEvents, type ReceivedEvent, textOf } from './read-stream';

let setting: HeldGatewayService;
beforeAll(async () => {
  setting = await startHeldGatewayService({
    configuration: {
      retry: oneAttempt,
      breaker: { failures: 1000 },
    },
  });
});
afterAll(() => setting.stop());
afterEach(() => setting.service.simulator.setBehaviour('*', { pieceGapMs: 0, alwaysFault: null }));

const turn = async (id: string, headers?: Record<string, string>) =>
  (await (await setting.call(`/v1/turns/${id}`, undefined, headers)).json()) as {
    status: string;
    completion: Completion | null;
    error: ErrorAnswer['error'] | null;
  };

const complete = async (headers: Record<string, string> = {}): Promise<Completion> =>
  (await (await setting.call('/v1/chat/completions', hello, headers)).json()) as Completion;

test.each<[string, () => Record<string, string>]>([
  ['a stateless turn', () => ({})],
  ['a turn of a session', () => ({ 'x-bellwether-session': unique('session') })],
])('%s is returned as its request got it', async (_, headers) => {
  const completion = await complete(headers());
  expect(await turn(completion.bellwether.turn_id)).toMatchObject({
    id: completion.bellwether.turn_id,
    object: 'bellwether.turn',
    status: 'answered',
    completion,
    error: null,
  });
});

test('a turn under way is in progress, and answered later', async () => {
  const asked = setting.call('/v1/chat/completions', { ...hello, user: heldUser, stream: true });
  await eventually('the model is asked', () => setting.model.openCalls() === 1);
  setting.model.say('Your order');
  const response = await asked;
  const id = response.headers.get('x-bellwether-turn-id') ?? '';
  expect(await turn(id)).toMatchObject({ status: 'in_progress', completion: null, error: null });
  setting.model.say(' is here.');
  setting.model.release();
  const events = await allEvents(response);
  expect((await turn(id)).completion?.choices[0]?.message.content).toBe(textOf(events));
});

test('a failed and a blocked turn say why', async () => {
  await setting.service.simulator.setBehaviour('*', { alwaysFault: { kind: 'status', status: 503 } });
  const failed = await setting.call('/v1/chat/completions', hello);
  const { error } = (await failed.json()) as ErrorAnswer;
  expect(await turn(failed.headers.get('x-bellwether-turn-id') ?? '')).toMatchObject({
    status: 'failed',
    completion: null,
    error,
  });
  const authorization = `Bearer ${await setting.createKey({ totalNanoUsd: 1 })}`;
  const blocked = await setting.call('/v1/chat/completions', hello, { authorization });
  expect(blocked.status).toBe(402);
  expect(await turn(blocked.headers.get('x-bellwether-turn-id') ?? '', { authorization })).toMatchObject({
    status: 'blocked',
    error: { code: 'insufficient_quota' },
  });
});

test("another key's turn is not found, and an operator's key sees it", async () => {
  const { bellwether } = await complete();
  const stranger = { authorization: `Bearer ${await setting.createKey()}` };
  for (const path of [
    `/v1/turns/${bellwether.turn_id}`,
    `/v1/turns/${bellwether.turn_id}/stream`,
    '/v1/turns/nobody',
  ]) {
    const response = await setting.call(path, undefined, stranger);
    expect(response.status).toBe(404);
    expect(((await response.json()) as ErrorAnswer).error.code).toBe('turn_not_found');
  }
  const operator = { authorization: `Bearer ${await setting.createKey({ role: 'operator' })}` };
  expect(await turn(bellwether.turn_id, operator)).toMatchObject({ status: 'answered' });
});

const positionBehind = (text: string) => formatPosition(advance(answerStart, text));

describe('the stream of a turn', () => {
  const rejoin = (id: string, lastEventId?: string) =>
    setting.call(
      `/v1/turns/${id}/stream`,
      undefined,
      lastEventId === undefined ? {} : { 'last-event-id': lastEventId },
    );

  test('is joined from any offset while the model speaks, and ends in the same text', async () => {
    await setting.service.simulator.setBehaviour('*', { pieceGapMs: 50 });
    const response = await setting.call('/v1/chat/completions', { ...hello, stream: true });
    const id = response.headers.get('x-bellwether-turn-id') ?? '';
    const received: ReceivedEvent[] = [];
    const rejoined: Promise<{ readonly before: string; readonly events: ReceivedEvent[] }>[] = [];
    const rejoinBehind = async (lastId: string) => ({
      before: textOf(received),
      events: await rejoin(id, lastId).then(allEvents),
    });
    for await (const event of readEvents(response)) {
      received.push(event);
      if (event.id !== null && rejoined.length < 5) rejoined.push(rejoinBehind(event.id));
    }
    const whole = textOf(received);
    for (const { before, events } of await Promise.all(rejoined)) {
      expect(before + textOf(events)).toBe(whole);
      expect(events.at(-1)?.data).toBe('[DONE]');
      expect(chunksOf(events).at(-1)).toMatchObject({ usage: { total_tokens: expect.any(Number) } });
    }
  });

  test('is there after the turn has ended, from the start, from an offset, and at the very end', async () => {
    const completion = await complete({ 'x-bellwether-session': unique('session') });
    const id = completion.bellwether.turn_id;
    const content = completion.choices[0]?.message.content ?? '';
    expect(textOf(await allEvents(await rejoin(id)))).toBe(content);
    expect(textOf(await allEvents(await rejoin(id, positionBehind(content.slice(0, 7)))))).toBe(content.slice(7));
    const atEnd = await allEvents(await rejoin(id, positionBehind(content)));
    expect(textOf(atEnd)).toBe('');
    expect(atEnd.at(-1)?.data).toBe('[DONE]');
  });

  test.each(['-1', 'x', '7', '7-xyz', `7-${'0'.repeat(9)}`])(
    'is refused from %s, which is no id',
    async (lastEventId) => {
      const { bellwether } = await complete();
      const response = await rejoin(bellwether.turn_id, lastEventId);
      expect(response.status).toBe(400);
      expect(((await response.json()) as ErrorAnswer).error.param).toBe('Last-Event-ID');
    },
  );

  test('does not go on from another answer than the one that was begun', async () => {
    const completion = await complete();
    const content = completion.choices[0]?.message.content ?? '';
    for (const other of ['Another answer', `${content} And more.`]) {
      const response = await rejoin(completion.bellwether.turn_id, positionBehind(other));
      expect(response.status).toBe(412);
      const { error } = (await response.json()) as ErrorAnswer;
      expect(error).toMatchObject({ code: 'stream_diverged', param: 'Last-Event-ID' });
      expect(error.message).toContain('read anew from its beginning');
    }
  });

  test('of another gateway joins the turn as well', async () => {
    const other = await setting.startGateway();
    await setting.service.simulator.setBehaviour('*', { pieceGapMs: 50 });
    const response = await setting.call('/v1/chat/completions', { ...hello, stream: true });
    const id = response.headers.get('x-bellwether-turn-id') ?? '';
    const joined = await fetch(`${other.url}/v1/turns/${id}/stream`, {
      headers: { authorization: `Bearer ${setting.key}` },
    });
    expect(textOf(await allEvents(joined))).toBe(textOf(await allEvents(response)));
    await other.close();
  });
});

test('a turn that was registered and never begun is in progress', async () => {
  const [id, keyId] = [crypto.randomUUID(), setting.key.split('_')[1] ?? ''];
  const request = { turnId: id, keyId, sessionId: null, idempotencyKey: null, bodyHash: 'x', atMs: Date.now() };
  await setting.service.ledger.requests.register(request);
  expect(await turn(id)).toMatchObject({ status: 'in_progress' });
  await eventually('its stream says so', async () => (await setting.call(`/v1/turns/${id}/stream`)).status === 404);
});

test('a turn that was never begun in all the time that it may take has failed', async () => {
  const keyId = setting.key.split('_')[1] ?? '';
  const register = async (atMs: number): Promise<string> => {
    const turnId = crypto.randomUUID();
    const request = { turnId, keyId, sessionId: null, idempotencyKey: null, bodyHash: 'x', atMs };
    await setting.service.ledger.requests.register(request);
    return turnId;
  };
  const dayMs = 24 * 60 * 60 * 1000;
  expect(await turn(await register(Date.now() - dayMs))).toMatchObject({
    status: 'failed',
    completion: null,
    error: { code: 'turn_not_kept' },
  });
});

test('an Idempotency-Key buys no second turn when Temporal has forgotten the first', async () => {
  const { simulator, temporal } = setting.service;
  const headers = { 'idempotency-key': crypto.randomUUID() };
  const { bellwether } = await complete(headers);
  await simulator.clearCalls();
  const workflowId = turnWorkflowId(bellwether.turn_id, null);
  const { workflowService } = temporal.connection;
  const { namespace } = temporal.options;
  await workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId } });
  await eventually('it is forgotten', () =>
    workflowService.describeWorkflowExecution({ namespace, execution: { workflowId } }).then(
      () => false,
      () => true,
    ),
  );
  const again = await setting.call('/v1/chat/completions', hello, headers);
  expect(again.status).toBe(410);
  expect(((await again.json()) as ErrorAnswer).error.code).toBe('turn_not_kept');
  expect(await simulator.calls()).toEqual([]);
  expect(await turn(bellwether.turn_id)).toMatchObject({ status: 'answered', completion: null, error: null });
});
