import { type WorkflowHandle, WorkflowNotFoundError } from '@temporalio/client';
import {
  BellwetherError,
  connect,
  ConversationNotFoundError,
  DeadlineExceededError,
  InvalidInputError,
  type SendOptions,
  TemporalUnreachableError,
} from '../../src/client';
import { conversationWorkflowId, turnWorkflowId } from '../../src/contract/names';
import { limits } from '../../src/contract/limits';
import { findFreePort } from '../../src/temporal-server/ports';
import { eventually } from '../support/eventually';
import { prepareService, type Service } from '../support/service';
import { unique } from '../support/temporal';

/** For a server that is already running: half of a test's time limit. */
const patienceMs = 60_000;

let service: Service;
beforeAll(async () => {
  // No worker is running: whatever is refused here, the client refuses.
  service = await prepareService();
});
afterAll(() => service.stop());

const bad: readonly [string, Partial<SendOptions>, string][] = [
  ['an empty message', { content: '' }, 'content must be a non-empty string'],
  ['a message of whitespace', { content: ' \n ' }, 'content must be a non-empty string'],
  [
    'a message of 1 MB',
    { content: 'x'.repeat(1_048_576) },
    `content has 1048576 bytes, the limit is ${limits.maxMessageBytes}`,
  ],
  ['a session id with a space', { sessionId: 'a b' }, 'sessionId may hold visible ASCII'],
  ['a session id that is too long', { sessionId: 'x'.repeat(201) }, 'sessionId has 201 characters, the limit is 200'],
  ['an empty turn id', { turnId: '' }, 'turnId must be a non-empty string'],
  ['an unknown language', { language: 'xx' as 'en' }, 'language must be one of en'],
  ['a temperature of 3', { temperature: 3 }, 'temperature must be a number from 0 to 2'],
  ['maxTokens of 0', { maxTokens: 0 }, 'maxTokens must be a whole number'],
  ['an idle timeout of a millisecond', { idleTimeoutMs: 1 }, 'idleTimeoutMs must be a whole number of at least 1000'],
];

test.each(bad)(
  '%s is refused before anything starts, and the error names field and limit',
  async (_, options, message) => {
    const call = service.client.send({ sessionId: unique('session'), content: 'Hello', ...options });
    await expect(call).rejects.toThrow(InvalidInputError);
    await expect(call).rejects.toThrow(message);
  },
);

test('a one-shot request without messages is refused', async () => {
  await expect(service.client.complete({ messages: [] })).rejects.toThrow(InvalidInputError);
});

test('every read of a session that does not exist fails with not found', async () => {
  const sessionId = unique('nobody');
  await expect(service.client.transcript(sessionId)).rejects.toThrow(ConversationNotFoundError);
  await expect(service.client.spend(sessionId)).rejects.toThrow(ConversationNotFoundError);
  await expect(service.client.close(sessionId)).rejects.toThrow(ConversationNotFoundError);
});

test('without a worker, the wait ends at the deadline, and the same turn sent again is answered', async () => {
  const sessionId = unique('session');
  const turn = { sessionId, turnId: unique('turn'), content: 'Hello' };
  await expect(service.client.send({ ...turn, deadlineMs: 500 })).rejects.toThrow(DeadlineExceededError);
  const worker = await service.startWorker();
  await expect(service.client.send(turn)).resolves.toMatchObject({ turn_id: turn.turnId, success: true });
  expect(await service.simulator.calls()).toHaveLength(1);
  await worker.stop();
});

test('a client that disconnects stops waiting, and the turn goes on', async () => {
  const { address, namespace, taskQueue } = service.settings.temporal;
  const client = await connect({ temporal: { address, namespace, taskQueue }, connectTimeoutMs: patienceMs });
  const turnId = unique('turn');
  const waiting = client.complete({ turnId, messages: [{ role: 'user', content: 'Hello' }] });
  const ended = expect(waiting).rejects.toThrow(DeadlineExceededError);
  await eventually('the turn is known', async () =>
    isOpen(service.temporal.workflow.getHandle(turnWorkflowId(turnId, null))),
  );
  await client.disconnect();
  await ended;
  const worker = await service.startWorker();
  await expect(service.client.turn(turnId)).resolves.toMatchObject({ success: true });
  await worker.stop();
});

test('a client that disconnects also stops waiting for queued turns of the session', async () => {
  const { address, namespace, taskQueue } = service.settings.temporal;
  const client = await connect({ temporal: { address, namespace, taskQueue }, connectTimeoutMs: patienceMs });
  const sessionId = unique('session');
  const turns = ['first', 'second', 'third'].map((content) => client.send({ sessionId, content }));
  const ended = Promise.all(turns.map((turn) => expect(turn).rejects.toThrow(DeadlineExceededError)));
  await eventually('the conversation is open', async () =>
    isOpen(service.temporal.workflow.getHandle(conversationWorkflowId(sessionId))),
  );
  await client.disconnect();
  await ended;
});

test('a message whose conversation ended before taking it starts a new conversation', async () => {
  const sessionId = unique('session');
  const reply = service.client.send({ sessionId, content: 'Hello' });
  // Without a worker, the server holds the message, but no workflow has accepted it.
  const conversation = service.temporal.workflow.getHandle(conversationWorkflowId(sessionId));
  await eventually('the conversation is open', async () => isOpen(conversation));
  const { runId } = await conversation.describe();
  await conversation.terminate('ended by a test');
  const worker = await service.startWorker();
  await expect(reply).resolves.toMatchObject({ success: true });
  expect((await conversation.describe()).runId).not.toBe(runId);
  await worker.stop();
});

test('an unreachable Temporal is reported with its address and what to do', async () => {
  const address = `127.0.0.1:${await findFreePort('127.0.0.1')}`;
  const error: unknown = await connect({ temporal: { address } }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(TemporalUnreachableError);
  expect(error).toBeInstanceOf(BellwetherError);
  expect((error as BellwetherError).message).toContain(address);
  expect((error as BellwetherError).message).toContain('TEMPORAL_ADDRESS');
});

test('a missing namespace is reported at once', async () => {
  const { address } = service.settings.temporal;
  const client = await connect({ temporal: { address, namespace: 'nowhere' }, connectTimeoutMs: patienceMs });
  const reply = client.send({ sessionId: unique('session'), content: 'Hello' });
  await expect(reply).rejects.toThrow("Namespace not found: 'nowhere'");
  await client.disconnect();
});

/** Whether a workflow exists and is running. */
async function isOpen(handle: WorkflowHandle): Promise<boolean> {
  try {
    return (await handle.describe()).status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
