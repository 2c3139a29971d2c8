import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { BellwetherClient } from '../../src/client/bellwether-client';
import { ConversationClosedError, QueueFullError } from '../../src/client/errors';
import type {
  ChatMessage,
  ChatReply,
  ConversationInput,
  ConversationResult,
  SendMessageInput,
} from '../../src/contract/chat';
import { limits } from '../../src/contract/limits';
import {
  chatTurnWorkflowType,
  conversationWorkflowId,
  conversationWorkflowType,
  sendMessageUpdate,
} from '../../src/contract/names';
import { faults } from '../../src/local/simulator/behaviour';
import { eventually } from '../support/eventually';
import { startHeldProvider } from '../support/held-provider';
import { primaryModel, startService, type Service } from '../support/service';
import { unique } from '../support/temporal';

let service: Service;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());
beforeEach(async () => {
  await service.simulator.clearCalls();
  await service.simulator.setBehaviour('*', { latency: { kind: 'fixed', ms: 0 } });
});

const callIds = async () => (await service.simulator.calls()).map((call) => call.requestId);
const callsBegan = (count: number) =>
  eventually(`${count} calls began`, async () => (await service.simulator.calls()).length >= count);
const takenTurns = async (sessionId: string) => {
  const { events = [] } = await handleOf(sessionId).fetchHistory();
  return events?.filter((event) => event.workflowExecutionUpdateAcceptedEventAttributes).length;
};
const handleOf = (sessionId: string) => service.temporal.workflow.getHandle(conversationWorkflowId(sessionId));

test('turns of one session that are sent together run one at a time, each with an answer of its own', async () => {
  await service.simulator.setBehaviour(primaryModel, { latency: { kind: 'fixed', ms: 50 } });
  const sessionId = unique('session');
  const turns = [1, 2, 3, 4, 5, 6].map((index) => `${sessionId}-${index}`);
  const replies = await Promise.all(
    turns.map((turnId) => service.client.send({ sessionId, turnId, content: `Where is my order? [ref:${turnId}]` })),
  );
  replies.forEach((reply, index) => expect(reply.content).toContain(`[ref:${turns[index]}]`));

  const calls = await service.simulator.calls();
  expect(calls).toHaveLength(turns.length);
  for (const [index, call] of calls.entries()) {
    const previous = calls[index - 1];
    if (previous) expect(call.startedAtMs).toBeGreaterThanOrEqual(previous.endedAtMs ?? Infinity);
  }
  const transcript = await service.client.transcript(sessionId);
  expect(transcript.turns.map((turn) => `${turn.turnId}.1`)).toEqual(calls.map((call) => call.requestId));
});

test('a session with too many unfinished turns refuses more, and answers them when they come again', async () => {
  const provider = await startHeldProvider();
  // As an activity of its own, the first call leaves its workflow free to take or refuse the others meanwhile.
  const target = { provider: 'holysheep', name: 'only', model: primaryModel, firstAttempt: 'regular' } as const;
  const held = await startService({
    configuration: {
      arms: { holysheep: { targets: [target] } },
      defaultArm: 'holysheep',
      retry: { baseTimeoutMs: 60_000 },
    },
    environment: { HOLYSHEEP_BASE_URL: provider.baseUrl },
  });
  try {
    const sessionId = unique('session');
    const turns = Array.from({ length: limits.maxQueuedTurns + 2 }, (_, index) => `${sessionId}-${index}`);
    let refusals = 0;
    async function sendUntilTaken(turnId: string): Promise<ChatReply> {
      try {
        return await held.client.send({ sessionId, turnId, content: `Hello [ref:${turnId}]` });
      } catch (error) {
        if (!(error instanceof QueueFullError)) throw error;
        refusals += 1;
        await sleep(20);
        return sendUntilTaken(turnId);
      }
    }
    const replies = Promise.all(turns.map(sendUntilTaken));
    await Promise.race([replies, eventually('one is refused', () => refusals > 0)]);
    provider.letGo();
    (await replies).forEach((reply, index) => expect(reply.content).toContain(`[ref:${turns[index]}]`));
    expect(refusals).toBeGreaterThan(0);
    expect(provider.requestIds.toSorted()).toEqual(turns.map((turnId) => `${turnId}.1`).toSorted());
  } finally {
    await held.stop();
    await provider.close();
  }
});

test('the same turn id gets the same answer from one call, one after the other or at once', async () => {
  const sessionId = unique('session');
  const turn = { sessionId, turnId: unique('turn'), content: 'Where is my order?' };
  const [first, second] = await Promise.all([service.client.send(turn), service.client.send(turn)]);
  const third = await service.client.send(turn);
  expect(second).toEqual(first);
  expect(third).toEqual(first);
  expect(await callIds()).toEqual([`${turn.turnId}.1`]);
});

test('a turn that was answered before the conversation continued as new is not run again', async () => {
  const sessionId = unique('session');
  const turn = { turnId: unique('turn'), content: 'Where is my order?' };
  const reply = await service.client.send({ sessionId: unique('earlier-run'), ...turn });
  await service.temporal.workflow.start(conversationWorkflowType, {
    workflowId: conversationWorkflowId(sessionId),
    taskQueue: service.settings.temporal.taskQueue,
    args: [
      {
        sessionId,
        carried: {
          turns: [{ turnId: turn.turnId, atMs: Date.now(), userContent: turn.content, reply }],
          totals: { turns: 1, tokens: reply.tokens_used, cost_usd: reply.cost_usd, unconfirmed_usd: 0 },
          lastActivityAtMs: Date.now(),
        },
      } satisfies ConversationInput,
    ],
  });
  await expect(service.client.send({ sessionId, ...turn })).resolves.toEqual(reply);
  expect(await callIds()).toEqual([`${turn.turnId}.1`]);
  await expect(service.client.spend(sessionId)).resolves.toMatchObject({ turns: 1 });
});

test('an idle conversation closes; the next message begins afresh and the ledger goes on counting the session', async () => {
  const sessionId = unique('session');
  await service.client.send({ sessionId, content: 'Where is my order?', idleTimeoutMs: 1_000 });
  const result = (await handleOf(sessionId).result()) as ConversationResult;
  expect(result).toMatchObject({ closedBecause: 'idle', spend: { turns: 1 } });

  await service.client.send({ sessionId, content: 'And now?' });
  const transcript = await service.client.transcript(sessionId);
  expect(transcript.turns.map((turn) => turn.userContent)).toEqual(['And now?']);
  const sessions = await service.ledger.costsBy('session', 1_000);
  expect(sessions.find((row) => row.key === sessionId)).toMatchObject({ turns: 2, attempts: 2 });
});

test('a closed conversation answers what it had taken, refuses the rest for good, and still tells its story', async () => {
  const sessionId = unique('session');
  await service.client.send({ sessionId, content: 'Hello' });
  // While a turn waits for its next attempt, its workflow can take another one.
  await service.simulator.queueFaults(primaryModel, [faults.rateLimited({ 'retry-after': '2' })]);
  const taken = service.client.send({ sessionId, content: 'Where is my order?' });
  // Of another process, as one process sends one message of a session at a time.
  const other = new BellwetherClient(service.temporal, service.settings.temporal.taskQueue);
  const waiting = other.send({ sessionId, content: 'And my refund?' });
  await eventually('both turns are taken', async () => (await takenTurns(sessionId)) === 3);
  await service.client.close(sessionId, 'the user left');
  await expect(Promise.all([taken, waiting])).resolves.toMatchObject([{ success: true }, { success: true }]);

  await expect(handleOf(sessionId).result()).resolves.toMatchObject({ closedBecause: 'signal', spend: { turns: 3 } });
  await expect(service.client.transcript(sessionId)).resolves.toMatchObject({ state: 'closed', olderTurns: 0 });
  await expect(service.client.spend(sessionId)).resolves.toMatchObject({ turns: 3 });

  await expect(service.client.send({ sessionId, content: 'Hello again' })).rejects.toThrow(ConversationClosedError);
  expect(await service.simulator.calls()).toHaveLength(4);
});

test('a message that comes while the conversation closes is refused', async () => {
  await service.simulator.setBehaviour(primaryModel, { latency: { kind: 'fixed', ms: 1_000 } });
  const sessionId = unique('session');
  const taken = service.client.send({ sessionId, content: 'Hello' });
  await callsBegan(1);
  await service.client.close(sessionId);
  await expect(service.client.send({ sessionId, content: 'More' })).rejects.toThrow(ConversationClosedError);
  await expect(taken).resolves.toMatchObject({ success: true });
});

test('a one-shot turn of a closed session is refused too', async () => {
  const sessionId = unique('session');
  await service.client.send({ sessionId, content: 'Hello' });
  await service.client.close(sessionId);
  await handleOf(sessionId).result();
  const messages = [{ role: 'user', content: 'Hello' }] as const;
  await expect(service.client.complete({ sessionId, messages })).rejects.toThrow(ConversationClosedError);
});

const tooMany: ChatMessage[] = Array.from({ length: 2_001 }, () => ({ role: 'user', content: 'a' }));
const oddCall = { role: 'assistant', content: 'Yes?', tool_calls: [null] } as unknown as ChatMessage;

test('whoever sends an update without our client is held to the same limits', async () => {
  const sessionId = unique('session');
  await service.client.send({ sessionId, content: 'Hello' });
  const send = (message: Partial<SendMessageInput>) =>
    handleOf(sessionId).executeUpdate(sendMessageUpdate, { args: [message], updateId: unique('turn') });
  const refusals = [
    [{ turnId: 't', content: '' }, 'content must be a non-empty string'],
    [{ turnId: 't', content: 'x'.repeat(1024 * 1024) }, 'content has 1048576 bytes, the limit is 65536'],
    [{ content: 'Hello' }, 'turnId must be a non-empty string'],
    [{ turnId: 't', content: '', messages: tooMany }, 'messages have 2001 entries, the limit is 2000'],
    [{ turnId: 't', content: '', messages: [oddCall] }, 'messages[0].tool_calls[0] must be an object with an id'],
    [{ turnId: 't', content: 'a', branch: { after: '' } }, 'branch.after must be a non-empty string'],
    [{ turnId: 't', content: 'a', branch: { after: 't-9' } }, /^branch\.after names a turn that .*"t-9"$/],
    [
      { turnId: 't', content: 'a', branch: { after: null, history: tooMany } },
      'branch.history has 2001 entries, the limit is 2000',
    ],
    [
      { turnId: 't', content: 'a', branch: { after: null, history: [oddCall] } },
      'branch.history[0].tool_calls[0] must be an object with an id',
    ],
  ] as const;
  for (const [message, reason] of refusals) {
    const error: unknown = await send(message).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(WorkflowUpdateFailedError);
    const told = typeof reason === 'string' ? reason : (expect.stringMatching(reason) as string);
    expect((error as WorkflowUpdateFailedError).cause).toMatchObject({ type: 'InvalidInput', message: told });
  }
  expect((await service.client.transcript(sessionId)).turns).toHaveLength(1);
});

test('workflows that are started with nonsense end at once and say why', async () => {
  const { taskQueue } = service.settings.temporal;
  const starts = [
    [conversationWorkflowType, { sessionId: '' }, 'sessionId must be a non-empty string'],
    [conversationWorkflowType, { sessionId: 's', idleTimeoutMs: -1 }, 'idleTimeoutMs must be a whole number'],
    [chatTurnWorkflowType, { turnId: 't', messages: [] }, 'messages must hold at least one message'],
    [chatTurnWorkflowType, { turnId: 't', messages: tooMany }, 'messages have 2001 entries, the limit is 2000'],
  ] as const;
  for (const [type, input, reason] of starts) {
    const run = service.temporal.workflow.execute(type, { taskQueue, workflowId: unique('bad'), args: [input] });
    await expect(run).rejects.toMatchObject({ cause: { message: expect.stringContaining(reason) as string } });
  }
});
