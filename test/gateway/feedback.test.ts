import { admitRequest, dayMs } from '../ledger/requests';
import { eventually } from '../support/eventually';
import { unique } from '../support/temporal';
import type { Completion } from '../../src/gateway/completion';
import { type ErrorAnswer, hello } from './gateway-service';
import { type HeldGatewayService, heldUser, startHeldGatewayService } from './held-model';
import { allEvents } from './read-stream';

let setting: HeldGatewayService;
beforeAll(async () => {
  setting = await startHeldGatewayService({
    configuration: { gateway: { corsOrigins: ['https://shop.example.com'] } },
  });
});
afterAll(() => setting.stop());

async function ask(headers: Record<string, string> = {}): Promise<string> {
  const completion = (await (await setting.call('/v1/chat/completions', hello, headers)).json()) as Completion;
  return completion.bellwether.turn_id;
}

const give = (turnId: string, body: unknown, headers?: Record<string, string>) =>
  setting.call(`/v1/turns/${turnId}/feedback`, body, headers);

async function refusal(response: Response) {
  const { error } = (await response.json()) as ErrorAnswer;
  return { status: response.status, code: error.code, param: error.param, message: error.message };
}

/** Without an admission of its own, the ledger says whether a turn takes feedback. */
async function registerTurn(key: string, admittedAtMs: number | null): Promise<string> {
  const turnId = unique('turn');
  const keyId = key.split('_')[1] ?? '';
  const { ledger } = setting.service;
  await ledger.requests.register({
    turnId,
    keyId,
    sessionId: null,
    idempotencyKey: null,
    bodyHash: '',
    atMs: Date.now(),
  });
  if (admittedAtMs !== null) await ledger.admit(admitRequest(turnId, 1, { sessionId: null, atMs: admittedAtMs }));
  return turnId;
}

test.each<[string, () => Record<string, string>]>([
  ['a stateless turn', () => ({})],
  ['a turn of a session', () => ({ 'x-bellwether-session': unique('session') })],
  ['a turn of a session that is stored as a hash', () => ({ 'x-bellwether-session': `${unique('session')} ü` })],
])('%s takes signals, of which the last one counts', async (_, headers) => {
  const id = await ask(headers());
  for (const signal of ['up', 'up', 'down', 'handoff', 'resolved']) {
    const response = await give(id, { signal });
    expect([response.status, await response.json()]).toEqual([200, { id, object: 'bellwether.feedback', signal }]);
  }
});

test('a turn takes a signal while its answer is still coming', async () => {
  setting.model.hold();
  const asked = setting.call('/v1/chat/completions', { ...hello, user: heldUser, stream: true });
  await eventually('the model is asked', () => setting.model.openCalls() === 1);
  setting.model.say('Your order');
  const response = await asked;
  expect((await give(response.headers.get('x-bellwether-turn-id') ?? '', { signal: 'down' })).status).toBe(200);
  setting.model.release();
  await allEvents(response);
});

test("another key's turn is not found, whoever asks and whatever it says", async () => {
  const id = await ask();
  const stranger = { authorization: `Bearer ${await setting.createKey()}` };
  for (const turnId of [id, 'nobody']) {
    expect(await refusal(await give(turnId, { signal: 'up' }, stranger))).toMatchObject({
      status: 404,
      code: 'turn_not_found',
    });
  }
});

test.each(['operator', 'metrics'] as const)('a key of role %s gives no feedback', async (role) => {
  const authorization = `Bearer ${await setting.createKey({ role })}`;
  expect(await refusal(await give(await ask(), { signal: 'up' }, { authorization }))).toMatchObject({
    status: 403,
    code: 'wrong_key_role',
  });
});

test.each<[string, unknown, string | null, string]>([
  ['an unknown signal', { signal: 'great' }, 'signal', '"up"'],
  ['a signal of another type', { signal: 1 }, 'signal', '"up"'],
  ['no signal', {}, 'signal', 'signal'],
  ['free text', { signal: 'down', comment: 'It was rude.' }, 'comment', 'comment'],
  ['a list', [{ signal: 'up' }], null, 'must be an object'],
])('%s is refused, and the error names the field', async (_, body, param, message) => {
  const refused = await refusal(await give(await ask(), body));
  expect(refused).toMatchObject({ status: 400, code: 'invalid_value', param });
  expect(refused.message).toContain(message);
  expect(refused.message).not.toContain('rude');
});

test('a turn takes feedback for 7 days', async () => {
  const recent = await registerTurn(setting.key, Date.now() - 7 * dayMs + 60_000);
  expect((await give(recent, { signal: 'up' })).status).toBe(200);
  const old = await registerTurn(setting.key, Date.now() - 7 * dayMs - 60_000);
  expect(await refusal(await give(old, { signal: 'up' }))).toMatchObject({ status: 410, code: 'feedback_too_late' });
});

test('a turn that was not begun, or that a budget refused, takes none', async () => {
  const expected = { status: 404, code: 'turn_not_kept' };
  expect(await refusal(await give(await registerTurn(setting.key, null), { signal: 'up' }))).toMatchObject(expected);
  const authorization = `Bearer ${await setting.createKey({ totalNanoUsd: 1 })}`;
  const blocked = await setting.call('/v1/chat/completions', hello, { authorization });
  const id = blocked.headers.get('x-bellwether-turn-id') ?? '';
  expect(await refusal(await give(id, { signal: 'up' }, { authorization }))).toMatchObject(expected);
});

test('a page of an allowed origin may give feedback', async () => {
  const headers = { origin: 'https://shop.example.com' };
  const response = await give(await ask(), { signal: 'up' }, headers);
  expect(response.headers.get('access-control-allow-origin')).toBe('https://shop.example.com');
});

test('other methods are told which one the path takes', async () => {
  const response = await setting.call('/v1/turns/any/feedback');
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
});
