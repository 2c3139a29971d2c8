/** A streamed turn keeps what a durable turn promises, whoever reads it and however long. */
import { eventually } from '../support/eventually';
import { unique } from '../support/temporal';
import { type GatewayService, hello, startGatewayService } from './gateway-service';
import { allEvents, chunksOf, readEvents, textOf } from './read-stream';

let setting: GatewayService;
beforeAll(async () => {
  setting = await startGatewayService();
});
afterAll(() => setting.stop());
beforeEach(async () => {
  await setting.service.simulator.clearCalls();
  await setting.service.simulator.setBehaviour('*', { pieceGapMs: 100 });
});

const stream = (headers: Record<string, string> = {}) =>
  setting.call('/v1/chat/completions', { ...hello, stream: true, stream_options: { include_usage: true } }, headers);

const turnIdOf = (response: Response) => response.headers.get('x-bellwether-turn-id') ?? '';

/** Reads as far as some text has come, and goes away. */
async function leaveAmid(headers: Record<string, string>): Promise<string> {
  const leaving = new AbortController();
  const response = await fetch(`${setting.gateway.url}/v1/chat/completions`, {
    method: 'POST',
    signal: leaving.signal,
    headers: { authorization: `Bearer ${setting.key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ ...hello, stream: true, stream_options: { include_usage: true } }),
  });
  for await (const event of readEvents(response)) if (textOf([event]) !== '') break;
  leaving.abort();
  return turnIdOf(response);
}

async function expectOneSettledCall(turnId: string): Promise<void> {
  const calls = await setting.service.simulator.calls();
  expect(calls).toMatchObject([{ outcome: 'answered' }]);
  const rows = await setting.service.ledger.attempts(turnId);
  expect(rows).toMatchObject([{ state: 'settled', completionTokens: calls[0]?.completionTokens }]);
}

test('a caller that goes away leaves a turn that is answered, paid and remembered', async () => {
  const session = unique('session');
  const turnId = await leaveAmid({ 'x-bellwether-session': session });
  await eventually('the turn is recorded', async () => {
    return (await setting.service.ledger.requests.find(turnId))?.outcome === 'answered';
  });
  await expectOneSettledCall(turnId);
  const [keyId] = [(await setting.service.ledger.requests.find(turnId))?.keyId ?? ''];
  const { turns } = await setting.service.client.transcript(`${keyId}.${session}`);
  expect(turns).toMatchObject([{ turnId, reply: { success: true, content: expect.stringContaining('Your order') } }]);
});

test('the same request again, while the model speaks, joins the turn and gets the same text from its beginning', async () => {
  const headers = { 'idempotency-key': crypto.randomUUID() };
  const first = await stream(headers);
  const events = readEvents(first);
  const received = [(await events.next()).value!, (await events.next()).value!];
  const [repeated, joined] = await Promise.all([stream(headers), setting.call(`/v1/turns/${turnIdOf(first)}/stream`)]);
  expect(await setting.service.simulator.openCalls()).toBe(1);
  const [again, beside] = await Promise.all([allEvents(repeated), allEvents(joined)]);
  for await (const event of events) received.push(event);

  const text = textOf(received);
  expect(text).toContain('Your order');
  expect([textOf(again), textOf(beside)]).toEqual([text, text]);
  expect(turnIdOf(repeated)).toBe(turnIdOf(first));
  expect(chunksOf(again).at(-1)?.usage).toEqual(chunksOf(received).at(-1)?.usage);
  await expectOneSettledCall(turnIdOf(first));
});

test('the same request again, after its caller has gone, gets the whole answer of the turn that was begun', async () => {
  const headers = { 'idempotency-key': crypto.randomUUID() };
  const turnId = await leaveAmid(headers);
  const again = await stream(headers);
  const events = await allEvents(again);
  expect(turnIdOf(again)).toBe(turnId);
  expect(textOf(events)).toContain('Your order');
  expect(events.at(-1)?.data).toBe('[DONE]');
  await expectOneSettledCall(turnId);
});
