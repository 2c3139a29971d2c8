import { BudgetRefusedError, DeadlineExceededError, TurnFailedError, TurnNotFoundError } from '../../src/client';
import type { ConversationInput } from '../../src/contract/chat';
import { conversationWorkflowId, conversationWorkflowType, turnWorkflowId } from '../../src/contract/names';
import { eventually } from '../support/eventually';
import { primaryModel, startService, type Service } from '../support/service';
import { unique } from '../support/temporal';

let service: Service;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());
beforeEach(async () => {
  await service.simulator.clearCalls();
  await service.simulator.setBehaviour('*', { latency: { kind: 'fixed', ms: 0 }, alwaysFault: null });
});

const messages = [{ role: 'user', content: 'Where is my order?' }] as const;
const content = 'Where is my order?';
const callsBegan = () => eventually('a call began', async () => (await service.simulator.calls()).length > 0);

test('a one-shot turn can be joined while it runs, and its reply can be read afterwards', async () => {
  await service.simulator.setBehaviour(primaryModel, { latency: { kind: 'fixed', ms: 500 } });
  const turnId = unique('turn');
  const answer = service.client.complete({ turnId, messages });
  await callsBegan();
  const joined = await service.client.turn(turnId);
  expect(joined).toEqual(await answer);
  await expect(service.client.turn(turnId)).resolves.toEqual(joined);
  expect(await service.simulator.calls()).toHaveLength(1);
});

test('a turn of a session can be joined while it runs, afterwards, and after the session is closed', async () => {
  await service.simulator.setBehaviour(primaryModel, { latency: { kind: 'fixed', ms: 500 } });
  const sessionId = unique('session');
  const turnId = unique('turn');
  const answer = service.client.send({ sessionId, turnId, content });
  await callsBegan();
  const joined = await service.client.turn(turnId, { sessionId });
  expect(joined).toEqual(await answer);
  await expect(service.client.turn(turnId, { sessionId })).resolves.toEqual(joined);
  await service.client.close(sessionId);
  await service.temporal.workflow.getHandle(conversationWorkflowId(sessionId)).result();
  await expect(service.client.turn(turnId, { sessionId })).resolves.toEqual(joined);
});

test('a turn that was answered before its conversation continued as new is found in the state carried over', async () => {
  const sessionId = unique('session');
  const turnId = unique('turn');
  const reply = await service.client.send({ sessionId: unique('earlier-run'), turnId, content });
  const carried: ConversationInput['carried'] = {
    turns: [{ turnId, atMs: Date.now(), userContent: content, reply }],
    totals: { turns: 1, tokens: reply.tokens_used, cost_usd: reply.cost_usd, unconfirmed_usd: 0 },
    lastActivityAtMs: Date.now(),
  };
  await service.temporal.workflow.start(conversationWorkflowType, {
    workflowId: conversationWorkflowId(sessionId),
    taskQueue: service.settings.temporal.taskQueue,
    args: [{ sessionId, carried } satisfies ConversationInput],
  });
  await expect(service.client.turn(turnId, { sessionId })).resolves.toEqual(reply);
});

test('an unknown turn is not found: without a session, in a session and in an unknown session', async () => {
  const sessionId = unique('session');
  await service.client.send({ sessionId, content });
  const turnId = unique('nothing');
  await expect(service.client.turn(turnId)).rejects.toThrow(TurnNotFoundError);
  await expect(service.client.turn(turnId, { sessionId })).rejects.toThrow(TurnNotFoundError);
  await expect(service.client.turn(turnId, { sessionId: unique('nobody') })).rejects.toThrow(TurnNotFoundError);
  await expect(service.client.turn(turnId)).rejects.toMatchObject({ code: 'turn-not-found' });
});

test('a turn that outlasts its caller’s wait continues, and a cancelled turn has failed', async () => {
  // Every call is silent: otherwise the next attempt would answer the turn.
  await service.simulator.setBehaviour('*', { alwaysFault: { kind: 'silence' } });
  const turnId = unique('turn');
  const answer = service.client.complete({ turnId, messages });
  answer.catch(() => undefined);
  await callsBegan();
  await expect(service.client.turn(turnId, { deadlineMs: 300 })).rejects.toThrow(DeadlineExceededError);
  await service.temporal.workflow.getHandle(turnWorkflowId(turnId, null)).terminate('ended by a test');
  await expect(service.client.turn(turnId)).rejects.toThrow(TurnFailedError);
  await expect(answer).rejects.toThrow(TurnFailedError);
});

test('a turn that a budget refused has a reply that says so', async () => {
  const poor = await startService({ configuration: { budgets: { dayUsd: 0.0001 } } });
  try {
    const turnId = unique('turn');
    await expect(poor.client.complete({ turnId, messages })).rejects.toThrow(BudgetRefusedError);
    await expect(poor.client.turn(turnId)).resolves.toMatchObject({ blocked: true, error: 'Daily budget exceeded' });
  } finally {
    await poor.stop();
  }
});
