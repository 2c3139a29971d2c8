import { Connection } from '@temporalio/client';
import { TurnHopelessError } from '../../src/client';
import { findStuck, listStuck } from '../../src/client/stuck-workflows';
import {
  chatTurnWorkflowType,
  conversationWorkflowId,
  conversationWorkflowType,
  turnWorkflowId,
} from '../../src/contract/names';
import { CliWorkspace } from '../cli/run-cli';
import { dyingWorkers } from '../support/dying-workers';
import { eventually } from '../support/eventually';
import { prepareService, type Service } from '../support/service';
import { unique } from '../support/temporal';

/** Temporal's own ten would make the attempts take over a minute more. */
const workflowTaskTimeout = '1 second';
/** Eight attempts, and the pauses that Temporal makes from the fourth on. */
const patienceMs = 170_000;

let service: Service;
let connection: Connection;
let workspace: CliWorkspace;
let dying: { stop(): void };
beforeEach(async () => {
  service = await prepareService();
  workspace = new CliWorkspace();
  connection = await Connection.connect({ address: service.settings.temporal.address });
  const { namespace, taskQueue } = service.settings.temporal;
  dying = dyingWorkers(connection, namespace, taskQueue);
});
afterEach(async () => {
  dying.stop();
  await connection.close();
  await workspace.remove();
  await service.stop();
});

const messages = [{ role: 'user', content: 'Hello' }] as const;

async function startTurn(turnId: string): Promise<void> {
  const { taskQueue } = service.settings.temporal;
  await service.temporal.workflow.start(chatTurnWorkflowType, {
    workflowId: turnWorkflowId(turnId, null),
    taskQueue,
    args: [{ turnId, messages }],
    workflowTaskTimeout,
  });
}

async function startConversation(sessionId: string): Promise<void> {
  const { taskQueue } = service.settings.temporal;
  await service.temporal.workflow.start(conversationWorkflowType, {
    workflowId: conversationWorkflowId(sessionId),
    taskQueue,
    args: [{ sessionId }],
    workflowTaskTimeout,
  });
}

const attemptOf = async (workflowId: string) => (await findStuck(service.temporal, workflowId))?.attempt ?? 0;
const reached = (attempt: number, ...ids: readonly string[]) =>
  eventually(
    `attempt ${attempt}`,
    async () => (await Promise.all(ids.map(attemptOf))).every((each) => each >= attempt),
    patienceMs,
  );

test('whoever waits for a turn that no worker survives is told, and it is ended; its session goes on with another message', async () => {
  const [turnId, sessionId] = [unique('turn'), unique('session')];
  await startTurn(turnId);
  await startConversation(sessionId);
  const one = service.client.complete({ turnId, messages });
  const other = service.client.send({ sessionId, content: 'Hello' });
  const ended = [expect(one).rejects.toThrow(TurnHopelessError), expect(other).rejects.toThrow(/no worker survived/)];
  await Promise.all(ended);
  await expect(service.client.complete({ turnId, messages })).rejects.toThrow(TurnHopelessError);

  dying.stop();
  await service.startWorker();
  await expect(service.client.send({ sessionId, content: 'And now?' })).resolves.toMatchObject({ success: true });
}, 240_000);

test('a worker ends what no worker survived before it takes a task, and lets everything else be', async () => {
  const [hopeless, young] = [unique('turn'), unique('turn')];
  await startTurn(hopeless);
  await reached(8, turnWorkflowId(hopeless, null));
  await startTurn(young);
  await reached(3, turnWorkflowId(young, null));
  const { taskQueue } = service.settings.temporal;
  const { stuck } = await listStuck(service.temporal, taskQueue, 100);
  expect(stuck).toHaveLength(2);

  dying.stop();
  await service.startWorker();
  const handle = service.temporal.workflow.getHandle(turnWorkflowId(hopeless, null));
  await expect(handle.describe()).resolves.toMatchObject({ status: { name: 'TERMINATED' } });
  await expect(service.client.turn(young)).resolves.toMatchObject({ success: true });
}, 240_000);

test('an operator sees what is stuck, doctor names it, and it can be ended', async () => {
  const [turnId, sessionId] = [unique('turn'), unique('session')];
  await startTurn(turnId);
  await startConversation(sessionId);
  const ids = [turnWorkflowId(turnId, null), conversationWorkflowId(sessionId)] as const;
  await reached(3, ...ids);

  const listed = await workspace.json(['stuck'], service.environment);
  expect(listed).toHaveLength(2);
  for (const id of ids) {
    expect(listed).toContainEqual(expect.objectContaining({ workflow_id: id, because: 'worker-lost', ended: false }));
  }
  const doctor = await workspace.run(['doctor'], service.environment);
  expect(doctor.status).toBe(1);
  expect(doctor.stdout).toContain('2 of the 2 running turns and conversations are stuck');
  expect(doctor.stdout).toContain(ids[0]);

  const one = await workspace.run(['stuck', '--end', ids[0], '--reason', 'a drill'], service.environment);
  expect([one.status, one.stdout]).toEqual([0, expect.stringMatching(new RegExp(`${ids[0]} .* ended`))]);
  await workspace.run(['stuck', '--end-all'], service.environment);
  const after = await workspace.run(['stuck'], service.environment);
  expect(after.stdout).toBe('Nothing is stuck.\n');
  await expect(workspace.run(['stuck', '--end', ids[0]], service.environment)).resolves.toMatchObject({ status: 1 });
  await expect(service.temporal.workflow.getHandle(ids[0]).result()).rejects.toMatchObject({
    cause: { message: expect.stringContaining('a drill') as string },
  });
}, 240_000);
