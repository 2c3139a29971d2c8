import type { Completion } from '../../../src/gateway/completion';
import { Receiver } from '../../notify/receiver';
import { eventually } from '../../support/eventually';
import { type RecordingProvider, startRecordingProvider } from '../../support/recording-provider';
import { unique } from '../../support/temporal';
import { allEvents, chunksOf } from '../read-stream';
import type { ErrorAnswer } from '../gateway-service';
import { type HeldGatewayService, heldUser, startHeldGatewayService } from '../held-model';
import type { RunningWorker } from '../../../src/services/worker';

let setting: HeldGatewayService;
let provider: RecordingProvider;
let receiver: Receiver;
let worker: RunningWorker;
beforeAll(async () => {
  provider = await startRecordingProvider();
  receiver = await Receiver.start();
  setting = await startHeldGatewayService({
    worker: false,
    configuration: { notify: [{ name: 'desk', url: receiver.url, secretEnv: 'DESK_SECRET' }] },
    environment: { HOLYSHEEP_BASE_URL: provider.baseUrl, DESK_SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' },
  });
  worker = await setting.service.startWorker();
});
afterAll(async () => {
  await setting.stop();
  await provider.close();
  await receiver.kill();
});

function ask(session: string, content: string, changes: object = {}, headers: Record<string, string> = {}) {
  const body = { model: 'bellwether', messages: [{ role: 'user', content }], ...changes };
  return setting.call('/v1/chat/completions', body, { 'x-bellwether-session': session, ...headers });
}

async function say(session: string, content: string, headers?: Record<string, string>): Promise<Completion> {
  const response = await ask(session, content, {}, headers);
  const answer = (await response.json()) as Completion;
  expect({ status: response.status, answer }).toMatchObject({ status: 200 });
  return answer;
}

const post = (session: string, command: string, body: unknown = {}, headers?: Record<string, string>) =>
  setting.call(`/v1/sessions/${session}/${command}`, body, headers);

async function done(session: string, command: string, body?: unknown, headers?: Record<string, string>) {
  const response = await post(session, command, body, headers);
  const answer = (await response.json()) as Record<string, unknown>;
  expect({ status: response.status, answer }).toMatchObject({ status: 200 });
  return answer;
}

async function refusal(response: Response) {
  const { error } = (await response.json()) as ErrorAnswer;
  return [response.status, error.code, error.param];
}

interface ReadTranscript {
  readonly session: { readonly state: string };
  readonly handed_over: { readonly reason: string | null } | null;
  readonly turns: readonly Record<string, unknown>[];
}

const transcript = async (session: string) =>
  (await (await setting.call(`/v1/sessions/${session}/transcript`)).json()) as ReadTranscript;

const person = (content: string, changes: object = {}) => ({ role: 'assistant', content, ...changes });

/** What the receiver was told of a session, by kind. */
function told(session: string): string[] {
  const bodies = receiver.received.map(({ body }) => JSON.parse(body) as { type: string; data: { session?: string } });
  return bodies.filter(({ data }) => data.session?.endsWith(`.${session}`)).map(({ type }) => type);
}

test('a person takes over, user and person talk without a model, and the model then knows what they said', async () => {
  const session = unique('session');
  await say(session, 'Where is my order?');
  const calls = provider.requests.length;
  const before = await setting.service.ledger.costTotals();
  const reason = 'The user is angry.';
  expect(await done(session, 'hand-over', { reason })).toMatchObject({ id: session, state: 'handed_over' });

  const waiting = await say(session, 'I want a human!');
  expect(waiting).toMatchObject({
    choices: [{ message: { content: '' }, finish_reason: 'stop' }],
    usage: { total_tokens: 0 },
    bellwether: { handed_over: true, attempts: 0, cost_usd: 0, handler: null },
  });
  expect(waiting.bellwether.remaining_budget).toBeGreaterThan(0);
  const turn = await setting.call(`/v1/turns/${waiting.bellwether.turn_id}`);
  expect(await turn.json()).toMatchObject({ status: 'answered', completion: { bellwether: { handed_over: true } } });
  const chunks = chunksOf(await allEvents(await ask(session, 'Hello?', { stream: true })));
  expect(chunks.at(-1)).toMatchObject({ choices: [{ finish_reason: 'stop' }], bellwether: { handed_over: true } });
  const message = person('This is Ann. It left today.', { author: 'Ann' });
  expect(await done(session, 'messages', message)).toMatchObject({ object: 'bellwether.message', role: 'assistant' });

  expect(await transcript(session)).toMatchObject({
    session: { state: 'handed_over' },
    handed_over: { reason },
    turns: [
      { by: 'model', status: 'answered' },
      { by: null, status: 'handed_over', messages: [{ role: 'user', content: 'I want a human!' }] },
      { by: null, status: 'handed_over', messages: [{ role: 'user', content: 'Hello?' }] },
      { by: 'person', author: 'Ann', messages: [{ role: 'assistant', content: 'This is Ann. It left today.' }] },
    ],
  });
  expect(provider.requests).toHaveLength(calls);
  expect(await setting.service.ledger.costTotals()).toEqual(before);

  expect(await done(session, 'give-back')).toMatchObject({ state: 'open' });
  expect(await transcript(session)).toMatchObject({ session: { state: 'open' }, handed_over: null });
  const answered = await say(session, 'Thanks. And the invoice?');
  expect(answered.bellwether).not.toHaveProperty('handed_over');
  expect(
    provider.requests
      .at(-1)
      ?.messages.slice(2)
      .map(({ role, content }) => [role, content]),
  ).toEqual([
    ['user', 'I want a human!'],
    ['user', 'Hello?'],
    ['assistant', 'This is Ann. It left today.'],
    ['user', 'Thanks. And the invoice?'],
  ]);

  const kinds = ['session-handed-over', 'message-while-handed-over', 'message-while-handed-over', 'session-given-back'];
  await eventually('all is told', () => told(session).length === kinds.length);
  expect(told(session)).toEqual(kinds);
  for (const { body } of receiver.received) expect(body).not.toMatch(/human|Ann|angry|Hello/);
});

test('everything may be repeated: a message and a hand-over count once', async () => {
  const session = unique('session');
  await say(session, 'Hello');
  await done(session, 'hand-over', { reason: 'the first' });
  await done(session, 'hand-over', { reason: 'another' });
  const key = { 'idempotency-key': `k${'x'.repeat(250)}` };
  const first = await done(session, 'messages', person('Here I am.'), key);
  expect(await done(session, 'messages', person('Here I am.'), key)).toEqual(first);
  const turnKey = { 'idempotency-key': unique('key') };
  const asked = await say(session, 'Good.', turnKey);
  expect(await say(session, 'Good.', turnKey)).toEqual(asked);
  expect((await transcript(session)).handed_over).toMatchObject({ reason: 'the first' });
  await done(session, 'give-back');
  await done(session, 'give-back');
  expect((await transcript(session)).turns).toHaveLength(3);
  // What came once is no new message, even now.
  expect(await done(session, 'messages', person('Here I am.'), key)).toEqual(first);
  await eventually('all is told', () => told(session).includes('session-given-back'));
  expect(told(session)).toEqual(['session-handed-over', 'message-while-handed-over', 'session-given-back']);
});

test('a turn that is under way is answered by the model before the person takes over', async () => {
  const session = unique('session');
  setting.model.hold();
  const running = ask(session, 'Where is my order?', { user: heldUser });
  await eventually('the model is asked', () => setting.model.openCalls() === 1);
  const handingOver = done(session, 'hand-over');
  setting.model.release();
  const answer = (await (await running).json()) as Completion;
  expect(answer.choices[0]?.message.content).toContain('Your order');
  await handingOver;
  expect((await say(session, 'Hello?')).bellwether.handed_over).toBe(true);
});

test('a session stays handed over when its worker is replaced', async () => {
  const session = unique('session');
  await say(session, 'Hello');
  await done(session, 'hand-over');
  await worker.stop();
  worker = await setting.service.startWorker();
  expect((await say(session, 'Hello?')).bellwether.handed_over).toBe(true);
  await done(session, 'messages', person('Hello!'));
});

test('a person says nothing where the model answers, where the session is closed, and where it is not theirs', async () => {
  const session = unique('session');
  expect(await refusal(await post(session, 'hand-over'))).toEqual([404, 'session_not_found', null]);
  await say(session, 'Hello');
  const message = person('Hello!');
  expect(await refusal(await post(session, 'messages', message))).toEqual([409, 'session_not_handed_over', null]);
  const stranger = { authorization: `Bearer ${await setting.createKey()}` };
  for (const [command, body] of [
    ['hand-over', {}],
    ['messages', message],
    ['give-back', {}],
  ] as const) {
    expect(await refusal(await post(session, command, body, stranger))).toEqual([404, 'session_not_found', null]);
  }
  await done(session, 'hand-over');
  await done(session, 'close');
  await eventually('it is closed', async () => (await transcript(session)).session.state === 'closed');
  for (const [command, body] of [
    ['hand-over', {}],
    ['messages', message],
    ['give-back', {}],
  ] as const) {
    expect(await refusal(await post(session, command, body))).toEqual([409, 'session_closed', null]);
  }
});

test.each([
  ['hand-over', { reason: 7 }, 'reason'],
  ['hand-over', { reason: ' ' }, 'reason'],
  ['hand-over', { reason: 'x'.repeat(501) }, 'reason'],
  ['hand-over', { because: 'x' }, 'because'],
  ['messages', { content: 'Hello' }, 'role'],
  ['messages', { role: 'user', content: 'Hello' }, 'role'],
  ['messages', { role: 'assistant' }, 'content'],
  ['messages', person(' '), 'content'],
  ['messages', person('x'.repeat(64 * 1024 + 1)), 'content'],
  ['messages', person('Hello', { author: '' }), 'author'],
  ['messages', person('Hello', { author: 'x'.repeat(101) }), 'author'],
])('%s with %j is refused by name', async (command, body, param) => {
  const session = unique('session');
  await say(session, 'Hello');
  expect(await refusal(await post(session, command, body))).toEqual([400, 'invalid_value', param]);
});
