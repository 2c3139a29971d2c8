import type { Transcript } from '../../src/client';
import { limits } from '../../src/contract/limits';
import type { Completion } from '../../src/gateway/completion';
import { unique } from '../support/temporal';
import { type ErrorAnswer } from './gateway-service';
import { type HeldGatewayService, heldUser, startHeldGatewayService } from './held-model';

let setting: HeldGatewayService;
beforeAll(async () => {
  setting = await startHeldGatewayService({}, { firstAttempt: 'regular' });
});
afterAll(() => setting.stop());

type Message = { role: string; content: string | null; tool_calls?: unknown; tool_call_id?: string };

const user = (content: string): Message => ({ role: 'user', content });

async function say(
  messages: readonly Message[],
  session: { headers?: Record<string, string>; metadata?: object; user?: string; tools?: readonly object[] },
): Promise<Completion> {
  const { headers, ...fields } = session;
  const response = await setting.call('/v1/chat/completions', { model: 'bellwether', messages, ...fields }, headers);
  const answer = (await response.json()) as Completion;
  expect({ status: response.status, answer }).toMatchObject({ status: 200 });
  return answer;
}

function assistant(answer: Completion): Message {
  return { role: 'assistant', content: answer.choices[0]?.message.content ?? null };
}

const keyId = () => setting.key.split('_')[1];

/** What the service remembers. */
async function memory(session: string): Promise<Transcript> {
  return setting.service.client.transcript(`${keyId()}.${session}`);
}

async function saidIn(session: string): Promise<string[]> {
  const { turns } = await memory(session);
  return turns.map(({ userContent }) => userContent);
}

test('a client that resends its history pays for what is new, and nothing is remembered twice', async () => {
  const session = unique('session');
  const headers = { 'x-bellwether-session': session };
  const system = { role: 'system', content: 'You are a shop assistant.' };
  const first = await say([system, user('Where is my order?')], { headers });
  const second = await say([system, user('Where is my order?'), assistant(first), user('And the invoice?')], {
    headers,
  });
  expect(await saidIn(session)).toEqual(['Where is my order?', 'And the invoice?']);
  // The second call had the whole conversation before it.
  expect(second.usage.prompt_tokens).toBeGreaterThan(first.usage.prompt_tokens);
  const alone = await say([user('And the refund?')], { headers });
  expect(alone.usage.prompt_tokens).toBeGreaterThan(second.usage.prompt_tokens);
  expect(await saidIn(session)).toHaveLength(3);
});

test('a conversation that was begun elsewhere is known from its first message here', async () => {
  const session = unique('session');
  const headers = { 'x-openwebui-chat-id': session };
  const story = [user('a long story '.repeat(50)), { role: 'assistant', content: 'I see.' }];
  const first = await say([...story, user('And the invoice?')], { headers });
  expect(first.usage.prompt_tokens).toBeGreaterThan(150);
  const second = await say([...story, user('And the invoice?'), assistant(first), user('And the refund?')], {
    headers,
  });
  expect(second.usage.prompt_tokens).toBeGreaterThan(first.usage.prompt_tokens);
  expect(second.usage.prompt_tokens).toBeLessThan(first.usage.prompt_tokens + 100);
  expect(await saidIn(session)).toEqual(['And the invoice?', 'And the refund?']);
});

test.each<[string, (session: string) => Parameters<typeof say>[1]]>([
  ['metadata.session_id', (session) => ({ metadata: { session_id: session } })],
  ["Open WebUI's header", (session) => ({ headers: { 'x-openwebui-chat-id': session, 'x-openwebui-user-id': 'u-1' } })],
  ["LibreChat's header", (session) => ({ headers: { 'x-librechat-conversation-id': session } })],
  ["LibreChat's other header", (session) => ({ headers: { 'x-conversation-id': session } })],
  [
    'our header before all others',
    (session) => ({
      headers: { 'x-bellwether-session': session, 'x-conversation-id': 'c' },
      metadata: { session_id: 'm' },
    }),
  ],
])('%s names the session', async (_, naming) => {
  const session = unique('session');
  await say([user('Where is my order?')], naming(session));
  expect(await saidIn(session)).toEqual(['Where is my order?']);
});

test.each(['', 'new', 'local:abc', '{{LIBRECHAT_BODY_CONVERSATIONID}}'])(
  'a chat application that names no conversation (%j) is answered without memory',
  async (value) => {
    const answer = await say([user('Where is my order?')], { headers: { 'x-conversation-id': value } });
    const found = await setting.service.ledger.requests.find(answer.bellwether.turn_id);
    expect(found?.sessionId).toBeNull();
  },
);

test('titles that a chat application asks for are answered beside the conversation', async () => {
  const session = unique('session');
  const headers = { 'x-openwebui-chat-id': session };
  const first = await say([user('Where is my order?')], { headers });
  await say([user('### Task: write a title for this chat')], { headers });
  await say([user('Where is my order?'), assistant(first), user('And the invoice?')], { headers });
  expect(await saidIn(session)).toEqual(['Where is my order?', 'And the invoice?']);
});

test('two API keys never share a session', async () => {
  const session = unique('session');
  const headers = { 'x-bellwether-session': session };
  await say([user('Where is my order?')], { headers });
  const stranger = await setting.createKey();
  await say([user('What did I ask?')], { headers: { ...headers, authorization: `Bearer ${stranger}` } });
  expect(await saidIn(session)).toEqual(['Where is my order?']);
});

test('a session may have any name: what is no id is kept by its hash', async () => {
  const name = `Zoë's chat ${'x'.repeat(300)} ${unique('session')}`;
  const first = await say([user('Where is my order?')], { metadata: { session_id: name } });
  const second = await say([user('Where is my order?')], { metadata: { session_id: name } });
  expect(second.usage.prompt_tokens).toBeGreaterThan(first.usage.prompt_tokens);
});

const tools = [{ type: 'function', function: { name: 'find_order', parameters: {} } }];

test("a tool's result joins the call that the conversation remembers", async () => {
  const session = unique('session');
  const headers = { 'x-bellwether-session': session };
  const question = user('call find_order {}');
  const asked = (await say([question], { headers, tools })).choices[0]?.message;
  const result = { role: 'tool', content: 'shipped', tool_call_id: asked?.tool_calls?.[0]?.id ?? '' };
  // With the call and without: the model is sent the question, the call once, and the result.
  const answer = await say([question, asked as Message, result], { headers, tools });
  expect(answer.choices[0]?.message.content).toBe('The tool says: shipped');
  const other = unique('session');
  await say([question], { headers: { 'x-bellwether-session': other }, tools });
  const alone = await say([result], { headers: { 'x-bellwether-session': other }, tools });
  expect(alone.choices[0]?.message.content).toBe('The tool says: shipped');
  const stateless = await say([question, asked as Message, result], { tools });
  expect([answer, alone].map(({ usage }) => usage)).toEqual([stateless.usage, stateless.usage]);
});

test('a result without its call, which the session does not know, is a 400 that names it', async () => {
  const headers = { 'x-bellwether-session': unique('session') };
  const messages = [{ role: 'tool', content: 'shipped', tool_call_id: 'call-9' }];
  const response = await setting.call('/v1/chat/completions', { model: 'bellwether', messages }, headers);
  const { error } = (await response.json()) as ErrorAnswer;
  expect({ status: response.status, ...error }).toMatchObject({ status: 400, param: 'messages[0].tool_call_id' });
  expect(error.message).toContain('"call-9"');
});

test("a tool's result brings its call along where the conversation has not heard of it", async () => {
  const session = unique('session');
  const headers = { 'x-bellwether-session': session };
  await say([user('Where is my order?')], { headers });
  const call = { id: 'call-1', type: 'function', function: { name: 'find_order', arguments: '{}' } };
  const round = [
    { role: 'assistant', content: null, tool_calls: [call] },
    { role: 'tool', content: 'shipped', tool_call_id: 'call-1' },
  ];
  const answer = await say([user('Where is my order?'), ...round], { headers });
  // The simulator says this only when the last message that it was sent is the tool's.
  expect(answer.choices[0]?.message.content).toBe('The tool says: shipped');
  const { turns } = await memory(session);
  expect(turns[1]?.messages).toEqual(round);
});

test('a repeated request of a session is answered by its first turn', async () => {
  const session = unique('session');
  const headers = { 'x-bellwether-session': session, 'idempotency-key': session };
  const first = await say([user('Where is my order?')], { headers });
  expect(await say([user('Where is my order?')], { headers })).toEqual(first);
  expect(await saidIn(session)).toHaveLength(1);
});

test('a session that was closed is a 409 that no client repeats', async () => {
  const session = unique('session');
  const headers = { 'x-bellwether-session': session };
  await say([user('Where is my order?')], { headers });
  await setting.service.client.close(`${keyId()}.${session}`);
  const body = { model: 'bellwether', messages: [user('Still there?')] };
  const response = await setting.call('/v1/chat/completions', body, headers);
  expect(response.status).toBe(409);
  expect(response.headers.get('x-should-retry')).toBe('false');
  expect(((await response.json()) as ErrorAnswer).error.code).toBe('session_closed');
});

test('a session that is busy answers 429 with when to come back', async () => {
  const headers = { 'x-bellwether-session': unique('session') };
  const body = { model: 'bellwether', user: heldUser, messages: [user('Where is my order?')] };
  const asked = Array.from({ length: 12 }, () => setting.call('/v1/chat/completions', body, headers));
  // None is answered as long as the model is held; what comes first is a refusal.
  const refused = await Promise.any(asked);
  expect(refused.status).toBe(429);
  expect(refused.headers.get('retry-after')).toBe('2');
  expect(await refused.json()).toMatchObject({ error: { code: 'session_busy' } });
  setting.model.release();
  const statuses = (await Promise.all(asked)).map(({ status }) => status);
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(limits.maxQueuedTurns);
  expect(new Set(statuses)).toEqual(new Set([200, 429]));
});
