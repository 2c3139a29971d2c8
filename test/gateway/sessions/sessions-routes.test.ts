import type { Completion } from '../../../src/gateway/completion';
import { unique } from '../../support/temporal';
import { type ErrorAnswer, type GatewayService, startGatewayService } from '../gateway-service';

let setting: GatewayService;
beforeAll(async () => {
  setting = await startGatewayService({
    environment: { BELLWETHER_ID_KEY: `k:${Buffer.alloc(32, 7).toString('base64')}` },
  });
});
afterAll(() => setting.stop());

const as = (key: string) => ({ authorization: `Bearer ${key}` });

async function say(session: string, content: string, headers: Record<string, string> = {}): Promise<Completion> {
  const body = { model: 'bellwether', messages: [{ role: 'user', content }] };
  const response = await setting.call('/v1/chat/completions', body, {
    'x-bellwether-session': encodeURI(session) === session ? session : Buffer.from(session).toString('latin1'),
    ...headers,
  });
  const answer = (await response.json()) as Completion;
  expect({ status: response.status, answer }).toMatchObject({ status: 200 });
  return answer;
}

async function refusal(response: Response) {
  const { error } = (await response.json()) as ErrorAnswer;
  return [response.status, error.code, error.param];
}

const pathOf = (session: string): string => `/v1/sessions/${encodeURIComponent(session)}`;
const read = async (path: string, headers?: Record<string, string>) =>
  (await (await setting.call(path, undefined, headers)).json()) as Record<string, unknown>;

test('a key lists its own sessions, page by page, under the names that it gave them', async () => {
  const key = await setting.createKey();
  const names = [unique('plain'), `${unique('name')} ü/?`, `${unique('x')}@example.com`];
  for (const name of names) await say(name, 'Hello', as(key));
  await say(unique('other'), 'Hello');
  const ids: string[] = [];
  let after = '';
  for (;;) {
    const page = await read(`/v1/sessions?limit=1${after && `&after=${encodeURIComponent(after)}`}`, as(key));
    const [session] = page['data'] as { id: string }[];
    if (session === undefined) throw new Error('an empty page');
    ids.push((after = session.id));
    if (page['has_more'] === false) break;
  }
  expect(ids).toEqual([expect.stringMatching(/^hidden-h/), expect.stringMatching(/^sha256-/), names[0]]);
  // Each is found by the name that it was given, and by the one that it is listed under.
  for (const name of [...names.toReversed(), ...ids]) {
    const session = await read(pathOf(name), as(key));
    expect(session).toMatchObject({ object: 'bellwether.session', state: 'open', turns: 1 });
    expect(ids).toContain(session['id']);
    expect(session['cost_usd']).toBeGreaterThan(0);
  }
});

test('a transcript says what was said and who said it, page by page, and a client asks for what is new', async () => {
  const session = unique('session');
  const first = await say(session, 'Where is my order?');
  const second = await say(session, 'And the invoice?');
  const answers = [first, second].map(({ choices: [choice] }) => choice?.message.content);
  const ids = [first, second].map(({ bellwether }) => bellwether.turn_id);
  const turn = (index: number, asked: string) => ({
    id: ids[index],
    follows: ids[index - 1] ?? null,
    status: 'answered',
    by: 'model',
    messages: [
      { role: 'user', content: asked },
      { role: 'assistant', content: answers[index] },
    ],
    finish_reason: 'stop',
  });
  expect(await read(`${pathOf(session)}/transcript?limit=1`)).toMatchObject({
    object: 'bellwether.transcript',
    session: { id: session, turns: 2 },
    turns: [turn(0, 'Where is my order?')],
    older_turns: 0,
    has_more: true,
  });
  expect(await read(`${pathOf(session)}/transcript?after=${ids[0]}`)).toMatchObject({
    turns: [turn(1, 'And the invoice?')],
    has_more: false,
  });
  expect(await read(`${pathOf(session)}/transcript?after=${ids[1]}`)).toMatchObject({ turns: [] });
});

test('a session that is closed, once or twice, takes no more messages and can still be read', async () => {
  const session = unique('session');
  await say(session, 'Hello');
  for (let count = 0; count < 2; count += 1) {
    const response = await setting.call(`${pathOf(session)}/close`, {});
    expect([response.status, await response.json()]).toMatchObject([200, { id: session, state: 'closed' }]);
    await setting.service.temporal.workflow.getHandle(`conversation/${keyId()}.${session}`).result();
  }
  const late = await setting.call(
    '/v1/chat/completions',
    { model: 'bellwether', messages: [{ role: 'user', content: 'Hello?' }] },
    { 'x-bellwether-session': session },
  );
  expect(await refusal(late)).toEqual([409, 'session_closed', null]);
  expect(await read(pathOf(session))).toMatchObject({ state: 'closed' });
  expect(await read(`${pathOf(session)}/transcript`)).toMatchObject({ session: { state: 'closed' } });
});

const keyId = () => setting.key.split('_')[1];

test("another key's session is not found, and an operator reads it by its id in the ledger", async () => {
  const session = unique('session');
  await say(session, 'Hello');
  const stored = `${keyId()}.${session}`;
  const stranger = as(await setting.createKey());
  for (const name of [session, stored]) {
    for (const path of ['', '/transcript']) {
      expect(await refusal(await setting.call(pathOf(name) + path, undefined, stranger))).toEqual([
        404,
        'session_not_found',
        null,
      ]);
    }
    expect(await refusal(await setting.call(`${pathOf(name)}/close`, {}, stranger))).toEqual([
      404,
      'session_not_found',
      null,
    ]);
  }
  const operator = as(await setting.createKey({ role: 'operator' }));
  expect(await read(pathOf(stored), operator)).toMatchObject({ id: stored });
  expect(await read(`${pathOf(stored)}/transcript`, operator)).toMatchObject({ turns: [{ status: 'answered' }] });
  expect(await refusal(await setting.call(`${pathOf(stored)}/close`, {}, operator))).toEqual([
    403,
    'wrong_key_role',
    null,
  ]);
  expect(await read(pathOf(session))).toMatchObject({ state: 'open' });
});

test.each([
  ['/v1/sessions?limit=0', 'limit'],
  ['/v1/sessions?limit=101', 'limit'],
  ['/v1/sessions?limit=some', 'limit'],
  ['/v1/sessions?after=nobody', 'after'],
  ['/v1/sessions?after=', 'after'],
  ['{session}/transcript?limit=0', 'limit'],
  ['{session}/transcript?limit=101', 'limit'],
  ['{session}/transcript?after=nobody', 'after'],
])('%s is refused by name', async (path, param) => {
  const session = unique('session');
  await say(session, 'Hello');
  const response = await setting.call(path.replace('{session}', pathOf(session)));
  expect(await refusal(response)).toEqual([400, 'invalid_value', param]);
});

test('a path takes its methods and says which', async () => {
  const headers = as(setting.key);
  const response = await fetch(`${setting.gateway.url}/v1/sessions`, { method: 'PUT', headers });
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
});

test('an edited message follows the turn before the one that it replaces, and the former branch stays', async () => {
  const session = unique('session');
  const first = await say(session, 'Where is my order?');
  const second = await say(session, 'And the invoice?');
  const edited = await say(session, 'And the refund?', { 'x-bellwether-after': first.bellwether.turn_id });
  const anew = await say(session, 'Hello', { 'x-bellwether-after': 'none' });
  const { turns } = (await read(`${pathOf(session)}/transcript`)) as unknown as {
    turns: { id: string; follows: string | null }[];
  };
  const [one, two, three, four] = [first, second, edited, anew].map(({ bellwether }) => bellwether.turn_id);
  expect(turns.map(({ id, follows }) => [id, follows])).toEqual([
    [one, null],
    [two, one],
    [three, one],
    [four, null],
  ]);
  // Each was asked with as much before it as its place has.
  expect(second.usage.prompt_tokens).toBeGreaterThan(first.usage.prompt_tokens);
  expect(anew.usage.prompt_tokens).toBeLessThan(edited.usage.prompt_tokens);
});

test.each<[string, Record<string, string>]>([
  ['a turn that the session does not have', { 'x-bellwether-after': 'nobody' }],
  ['what is no id', { 'x-bellwether-after': 'a b' }],
  ['a request that brings its history', { 'x-bellwether-after': 'none', 'x-bellwether-history': 'whole' }],
])('x-bellwether-after with %s is refused by name', async (_, headers) => {
  const session = unique('session');
  await say(session, 'Hello');
  const body = { model: 'bellwether', messages: [{ role: 'user', content: 'Hello' }] };
  const response = await setting.call('/v1/chat/completions', body, { 'x-bellwether-session': session, ...headers });
  expect(await refusal(response)).toEqual([400, 'invalid_value', 'x-bellwether-after']);
});
