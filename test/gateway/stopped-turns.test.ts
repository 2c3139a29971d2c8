import { eventually } from '../support/eventually';
import { unique } from '../support/temporal';
import { type ErrorAnswer, hello, oneAttempt } from './gateway-service';
import { type HeldGatewayService, heldUser, startHeldGatewayService } from './held-model';
import { allEvents, textOf } from './read-stream';

let setting: HeldGatewayService;
beforeAll(async () => {
  setting = await startHeldGatewayService({ configuration: { retry: oneAttempt } });
});
afterAll(() => setting.stop());
beforeEach(() => setting.model.hold());

const held = { ...hello, user: heldUser } as const;
const streamed = { ...held, stream: true } as const;

const ask = (body: object, headers: Record<string, string> = {}) => setting.call('/v1/chat/completions', body, headers);
const modelIsAsked = (calls = 1) =>
  eventually(`the model has ${calls} open calls`, () => setting.model.openCalls() === calls);
const turnIdOf = (response: Response) => response.headers.get('x-bellwether-turn-id') ?? '';

interface TurnAnswer {
  readonly status: string;
  readonly error: ErrorAnswer['error'] | null;
}

async function cancel(id: string, headers: Record<string, string> = {}): Promise<Response> {
  const authorization = `Bearer ${setting.key}`;
  return fetch(`${setting.gateway.url}/v1/turns/${id}/cancel`, {
    method: 'POST',
    headers: { authorization, ...headers },
  });
}

/** A streamed turn that has shown something. */
async function begin(headers: Record<string, string> = {}, text = 'Your order'): Promise<Response> {
  const asked = ask(streamed, headers);
  await modelIsAsked();
  setting.model.say(text);
  return asked;
}

test('a stop breaks off the call of a stream, whose client is told, and the turn says so from then on', async () => {
  const response = await begin();
  const id = turnIdOf(response);
  const answered = await cancel(id);
  expect(answered.status).toBe(200);
  const turn = (await answered.json()) as TurnAnswer;
  expect(turn).toMatchObject({ id, status: 'stopped', completion: null, error: { code: 'turn_stopped' } });
  expect(setting.model.openCalls()).toBe(0);
  const events = await allEvents(response);
  expect(textOf(events)).toBe('Your order');
  expect(events.at(-1)?.data).toMatchObject({ error: { code: 'turn_stopped' } });
  expect(await (await setting.call(`/v1/turns/${id}`)).json()).toEqual(turn);
  // The provider may charge what it generated until then, and nobody knows how much that is.
  expect(await setting.service.ledger.attempts(id)).toMatchObject([{ state: 'unconfirmed', outcome: 'cancelled' }]);

  const again = await cancel(id);
  expect([again.status, await again.json()]).toEqual([200, turn]);
});

test('a stop before the first byte gives a plain request an error that no client repeats', async () => {
  const key = unique('key');
  const response = ask(held, { 'idempotency-key': key });
  await modelIsAsked();
  const joined = ask(held, { 'idempotency-key': key });
  const open = (await setting.service.ledger.attempts()).filter(({ state }) => state === 'reserved');
  const id = open[0]?.turnId ?? '';
  await cancel(id);
  for (const stopped of [await response, await joined]) {
    expect([stopped.status, turnIdOf(stopped)]).toEqual([410, id]);
    expect(await stopped.json()).toMatchObject({
      error: { code: 'turn_stopped', bellwether: { turn_id: id, attempts: 1 } },
    });
  }
  expect(setting.model.callCount()).toBe(1);
});

test('a session goes on at once after a stop, with what was shown in its memory', async () => {
  const headers = { 'x-bellwether-session': unique('session') };
  const response = await begin(headers);
  await cancel(turnIdOf(response));
  await allEvents(response);
  const next = ask({ ...held, messages: [{ role: 'user', content: 'And now?' }] }, headers);
  await modelIsAsked();
  setting.model.release();
  expect((await next).status).toBe(200);
  expect(setting.model.received.at(-1)).toEqual([
    { role: 'user', content: 'Where is my order?' },
    { role: 'assistant', content: 'Your order' },
    { role: 'user', content: 'And now?' },
  ]);
});

test('a turn that has ended keeps its answer, and the turn of another key is not found', async () => {
  setting.model.release();
  const answered = await ask(held);
  const id = turnIdOf(answered);
  const completion: unknown = await answered.json();
  const stranger = `Bearer ${await setting.createKey()}`;
  const refused = await cancel(id, { authorization: stranger });
  expect([refused.status, await refused.json()]).toMatchObject([404, { error: { code: 'turn_not_found' } }]);
  const operator = `Bearer ${await setting.createKey({ role: 'operator' })}`;
  expect((await cancel(id, { authorization: operator })).status).toBe(403);
  expect(await (await cancel(id)).json()).toMatchObject({ id, status: 'answered', completion, error: null });
});

describe('a client that leaves', () => {
  const leaving = { 'x-bellwether-on-disconnect': 'cancel' };

  async function beginAndLeave(headers: Record<string, string>): Promise<{ id: string; leave: () => void }> {
    const gone = new AbortController();
    const asked = fetch(`${setting.gateway.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify(streamed),
      headers: { authorization: `Bearer ${setting.key}`, 'content-type': 'application/json', ...headers },
      signal: gone.signal,
    });
    await modelIsAsked();
    setting.model.say('Your order');
    return { id: turnIdOf(await asked), leave: () => gone.abort() };
  }

  const isStopped = (id: string) =>
    eventually('the turn is stopped', async () => {
      const turn = (await (await setting.call(`/v1/turns/${id}`)).json()) as TurnAnswer;
      return turn.status === 'stopped';
    });

  test('leaves its turn going unless it says otherwise', async () => {
    const { id, leave } = await beginAndLeave({});
    leave();
    const stream = await setting.call(`/v1/turns/${id}/stream`);
    setting.model.say(' is here.');
    setting.model.release();
    expect(textOf(await allEvents(stream))).toBe('Your order is here.');
  });

  test('stops its turn if it says so', async () => {
    const { id, leave } = await beginAndLeave(leaving);
    leave();
    await isStopped(id);
    expect(setting.model.openCalls()).toBe(0);
  });

  test('leaves the turn to another request that waits for it, whose leaving then stops it', async () => {
    const { id, leave } = await beginAndLeave(leaving);
    const gone = new AbortController();
    const stream = await fetch(`${setting.gateway.url}/v1/turns/${id}/stream`, {
      headers: { authorization: `Bearer ${setting.key}` },
      signal: gone.signal,
    });
    const reader = stream.body?.getReader();
    await reader?.read();
    leave();
    await eventually('the first request has ended', () =>
      setting.logged.some((line) => line.includes(id) && line.includes('request ended')),
    );
    expect(setting.model.openCalls()).toBe(1);
    gone.abort();
    await isStopped(id);
  });

  test('must say it in words that there are', async () => {
    const response = await ask(held, { 'x-bellwether-on-disconnect': 'stop' });
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { error: { code: 'invalid_value', param: 'x-bellwether-on-disconnect' } },
    ]);
  });
});

test('a message that is not to wait is refused, and one that interrupts is answered', async () => {
  const headers = { 'x-bellwether-session': unique('session') };
  const running = await begin(headers);
  const rejected = await ask(held, { ...headers, 'x-bellwether-while-busy': 'reject' });
  expect([rejected.status, rejected.headers.get('x-should-retry'), await rejected.json()]).toMatchObject([
    409,
    'false',
    { error: { code: 'session_busy' } },
  ]);
  const interrupting = ask(held, { ...headers, 'x-bellwether-while-busy': 'interrupt' });
  expect((await allEvents(running)).at(-1)?.data).toMatchObject({ error: { code: 'turn_stopped' } });
  await modelIsAsked();
  setting.model.release();
  expect((await interrupting).status).toBe(200);
});
