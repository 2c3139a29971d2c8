/** A streamed turn keeps what a durable turn promises, whoever reads it and however long. */
import { turnName } from '../../src/contract/names';
import { eventually } from '../support/eventually';
import { unique } from '../support/temporal';
import { hello } from './gateway-service';
import { type HeldGatewayService, heldUser, startHeldGatewayService } from './held-model';
import { allEvents, chunksOf, readEvents, textOf } from './read-stream';

let setting: HeldGatewayService;
beforeAll(async () => {
  setting = await startHeldGatewayService();
});
afterAll(() => setting.stop());
beforeEach(async () => {
  await setting.service.simulator.clearCalls();
  await setting.service.simulator.setBehaviour('*', { pieceGapMs: 100 });
});

const streamed = { ...hello, stream: true, stream_options: { include_usage: true } };
const stream = (headers: Record<string, string>, changes: object = {}) =>
  setting.call('/v1/chat/completions', { ...streamed, ...changes }, headers);

const turnIdOf = (response: Response) => response.headers.get('x-bellwether-turn-id') ?? '';

/** Reads as far as some text has come, and goes away. */
async function leaveAmid(headers: Record<string, string>): Promise<string> {
  const leaving = new AbortController();
  const response = await fetch(`${setting.gateway.url}/v1/chat/completions`, {
    method: 'POST',
    signal: leaving.signal,
    headers: { authorization: `Bearer ${setting.key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(streamed),
  });
  for await (const event of readEvents(response)) if (textOf([event]) !== '') break;
  leaving.abort();
  return turnIdOf(response);
}

async function expectOneSettledCall(turnId: string): Promise<void> {
  const calls = await setting.service.simulator.calls();
  expect(calls).toMatchObject([{ outcome: 'answered' }]);
  const { sessionId = null } = (await setting.service.ledger.requests.find(turnId)) ?? {};
  const rows = await setting.service.ledger.attempts(turnName(turnId, sessionId));
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
  const held = { user: heldUser };
  const asked = stream(headers, held);
  await eventually('the model is asked', () => setting.model.openCalls() === 1);
  setting.model.say('Your ');
  const first = await asked;
  const [repeated, joined] = await Promise.all([
    stream(headers, held),
    setting.call(`/v1/turns/${turnIdOf(first)}/stream`),
  ]);
  expect(setting.model.openCalls()).toBe(1);
  setting.model.say('order is on its way.');
  setting.model.release();
  const received = await allEvents(first);
  const [again, beside] = await Promise.all([allEvents(repeated), allEvents(joined)]);

  const text = textOf(received);
  expect(text).toBe('Your order is on its way.');
  expect([textOf(again), textOf(beside)]).toEqual([text, text]);
  expect(turnIdOf(repeated)).toBe(turnIdOf(first));
  expect(chunksOf(again).at(-1)?.usage).toEqual(chunksOf(received).at(-1)?.usage);
  expect(setting.model.callCount()).toBe(1);
  expect(await setting.service.ledger.attempts(turnIdOf(first))).toMatchObject([{ state: 'settled' }]);
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
