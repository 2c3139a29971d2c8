import { InvalidInputError, type SendOptions } from '../../src/client';
import type { ConversationInput } from '../../src/contract/chat';
import { conversationWorkflowId, conversationWorkflowType, turnName } from '../../src/contract/names';
import { startService, type Service } from '../support/service';
import { unique } from '../support/temporal';

let service: Service;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());
beforeEach(() => service.simulator.clearCalls());

const callCount = async () => (await service.simulator.calls()).length;
const user = (content: string) => [{ role: 'user', content }] as const;

test.each(['at once', 'one after the other'])('the same turn id in two sessions names two turns, %s', async (when) => {
  const turnId = unique('turn');
  const sessions = [unique('session'), unique('session')];
  const send = (sessionId: string) => service.client.send({ sessionId, turnId, content: `Hello [ref:${sessionId}]` });
  const replies =
    when === 'at once' ? await Promise.all(sessions.map(send)) : [await send(sessions[0]!), await send(sessions[1]!)];
  for (const [index, reply] of replies.entries()) {
    expect(reply).toMatchObject({ turn_id: turnId, session_id: sessions[index], success: true });
    expect(reply.content).toContain(`[ref:${sessions[index]}]`);
    const joined = await service.client.turn(turnId, { sessionId: sessions[index]! });
    expect(joined).toEqual(reply);
    const { turns } = await service.client.transcript(sessions[index]!);
    expect(turns.map((turn) => turn.reply)).toEqual([reply]);
    const rows = await service.ledger.attempts(turnName(turnId, sessions[index]!));
    expect(rows).toMatchObject([{ turnId, sessionId: sessions[index], attempt: 1, state: 'settled' }]);
  }
  expect(await callCount()).toBe(2);
});

test('streams of two sessions with the same turn id are two streams', async () => {
  const turnId = unique('turn');
  const sessions = [unique('session'), unique('session')];
  await Promise.all(
    sessions.map((sessionId) =>
      service.client.send({ sessionId, turnId, content: `Hello [ref:${sessionId}]`, delivery: 'streamed' }),
    ),
  );
  for (const [index, sessionId] of sessions.entries()) {
    const text = (await service.streams.pieces(turnName(turnId, sessionId))).map((piece) => piece.text).join('');
    expect(text).toContain(`[ref:${sessionId}]`);
    expect(text).not.toContain(`[ref:${sessions[1 - index]}]`);
  }
});

test('a one-shot turn differs per session that it is charged to, and from the conversation’s turn', async () => {
  const turnId = unique('turn');
  const sessions = [unique('session'), unique('session')] as const;
  const ask = (ref: string, sessionId?: string) =>
    service.client.complete({ turnId, messages: user(`Hello [ref:${ref}]`), ...(sessionId && { sessionId }) });
  const replies = await Promise.all([
    ask('nobody'),
    ask('first', sessions[0]),
    ask('second', sessions[1]),
    service.client.send({ sessionId: sessions[0], turnId, content: 'Hello [ref:conversation]' }),
  ]);
  for (const [index, ref] of ['nobody', 'first', 'second', 'conversation'].entries()) {
    expect(replies[index]?.content).toContain(`[ref:${ref}]`);
  }
  expect(await callCount()).toBe(4);
  expect(await service.client.turn(turnId)).toEqual(replies[0]);
  expect(await service.client.turn(turnId, { sessionId: sessions[0] })).toEqual(replies[3]);
  expect(await service.client.turn(turnId, { sessionId: sessions[1] })).toEqual(replies[2]);
});

const others: readonly [string, Partial<SendOptions>][] = [
  ['another message', { content: 'And my refund?' }],
  ['a longer context', { messages: user('Where is my order?'), content: '' }],
  ['another model', { model: 'gemini-2.5-flash' }],
  ['other tools', { modelOptions: { tools: [{ type: 'function', function: { name: 'find' } }] } }],
  ['another user', { userId: 'somebody-else' }],
  ['another key', { keyId: 'another-key' }],
  ['another temperature', { temperature: 1.5 }],
];
test.each(others)('reusing a turn id with %s is refused, and does not return the old reply', async (_, change) => {
  const request = { turnId: unique('turn'), sessionId: unique('session'), content: 'Where is my order?' };
  await service.client.send(request);
  const again = service.client.send({ ...request, ...change });
  await expect(again).rejects.toThrow(InvalidInputError);
  await expect(again).rejects.toThrow(`turnId ${request.turnId} was used before, with another request.`);
  const { turnId, sessionId } = request;
  const alone = { turnId, sessionId, messages: user('Where is my order?') };
  await service.client.complete(alone);
  const { content = '', messages = user(content), ...options } = change;
  const aloneAgain = service.client.complete({ ...alone, ...(content !== '' && { messages }), ...options });
  if (Object.keys(change).includes('messages')) await aloneAgain;
  else await expect(aloneAgain).rejects.toThrow(InvalidInputError);
  expect(await callCount()).toBe(2);
});

test('the same request with another delivery is the same turn', async () => {
  const request = { turnId: unique('turn'), sessionId: unique('session'), content: 'Where is my order?' };
  const first = await service.client.send({ ...request, modelOptions: { seed: 1, top_p: 1 } });
  const again = await service.client.send({ ...request, delivery: 'streamed', modelOptions: { top_p: 1, seed: 1 } });
  expect(again).toEqual(first);
  expect(await callCount()).toBe(1);
});

test('a conversation that continued as new still knows the requests of its turns', async () => {
  const sessionId = unique('session');
  const request = { turnId: unique('turn'), sessionId, content: 'Where is my order?' };
  const earlier = { ...request, sessionId: unique('earlier-run') };
  const known = await service.client.send(earlier);
  const handle = service.temporal.workflow.getHandle(conversationWorkflowId(earlier.sessionId));
  const reply = await handle.getUpdateHandle<typeof known>(request.turnId).result();
  const carried: ConversationInput['carried'] = {
    turns: [{ turnId: request.turnId, atMs: Date.now(), userContent: request.content, reply }],
    totals: { turns: 1, tokens: reply.tokens_used, cost_usd: reply.cost_usd, unconfirmed_usd: 0 },
    lastActivityAtMs: Date.now(),
  };
  await service.temporal.workflow.start(conversationWorkflowType, {
    workflowId: conversationWorkflowId(sessionId),
    taskQueue: service.settings.temporal.taskQueue,
    args: [{ sessionId, carried } satisfies ConversationInput],
  });
  expect(await service.client.send(request)).toEqual(known);
  await expect(service.client.send({ ...request, content: 'And my refund?' })).rejects.toThrow(InvalidInputError);
  expect(await callCount()).toBe(1);
});
