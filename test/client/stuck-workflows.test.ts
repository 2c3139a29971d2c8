import { Connection } from '@temporalio/client';
import type { Duration } from '@temporalio/common';
import { NativeConnection, Worker } from '@temporalio/worker';
import { TurnHopelessError } from '../../src/client';
import { endIfHopeless, findStuck, listStuck } from '../../src/client/stuck-workflows';
import {
  chatTurnWorkflowType,
  conversationWorkflowId,
  conversationWorkflowType,
  turnWorkflowId,
} from '../../src/contract/names';
import { StuckSweep } from '../../src/services/stuck-sweep';
import { CliWorkspace } from '../cli/run-cli';
import { dyingWorkers } from '../support/dying-workers';
import { eventually } from '../support/eventually';
import { prepareService, type Service } from '../support/service';
import { startOwnTemporal, unique } from '../support/temporal';

/**
 * Temporal's default of ten would add over a minute to the attempts; from the third attempt on, this server adds a
 * second.
 */
const shortTask = '1 second';
/** For a worker that must answer in time, on a machine that may stall for some seconds. */
const patientTask = '5 seconds';
const patienceMs = 170_000;

let temporal: Awaited<ReturnType<typeof startOwnTemporal>>;
let service: Service;
let connection: Connection;
let workspace: CliWorkspace;
let dying: { stop(): void };
beforeAll(async () => {
  temporal = await startOwnTemporal({ triesLostTasksAgainSoon: true });
});
afterAll(() => temporal.stop());
beforeEach(async () => {
  service = await prepareService({ temporal });
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

const fail = (error: unknown): never => {
  throw error;
};

const messages = [{ role: 'user', content: 'Hello' }] as const;

async function startTurn(turnId: string, workflowTaskTimeout: Duration = shortTask): Promise<void> {
  const { taskQueue } = service.settings.temporal;
  await service.temporal.workflow.start(chatTurnWorkflowType, {
    workflowId: turnWorkflowId(turnId, null),
    taskQueue,
    args: [{ turnId, messages }],
    workflowTaskTimeout,
  });
}

async function startConversation(sessionId: string, workflowTaskTimeout: Duration = shortTask): Promise<void> {
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

test('a turn that no worker survives is ended and its caller is told; its session goes on with another message', async () => {
  const [turnId, sessionId] = [unique('turn'), unique('session')];
  await startTurn(turnId);
  await startConversation(sessionId);
  const one = service.client.complete({ turnId, messages });
  const other = service.client.send({ sessionId, content: 'Hello' });
  const ended = [
    expect(one).rejects.toThrow(TurnHopelessError),
    expect(other).rejects.toThrow(/no worker has survived/),
  ];
  await Promise.all(ended);
  await expect(service.client.complete({ turnId, messages })).rejects.toThrow(TurnHopelessError);

  dying.stop();
  await service.startWorker();
  await expect(service.client.send({ sessionId, content: 'And now?' })).resolves.toMatchObject({ success: true });
}, 240_000);

test('before its first task, a worker ends what no worker survived, and nothing else', async () => {
  const [hopeless, young] = [unique('turn'), unique('turn')];
  const hopelessId = turnWorkflowId(hopeless, null);
  await startTurn(hopeless);
  await reached(6, hopelessId);
  await startTurn(young);
  await reached(3, turnWorkflowId(young, null));
  const { taskQueue } = service.settings.temporal;
  const { stuck } = await listStuck(service.temporal, taskQueue);
  expect(stuck).toHaveLength(2);
  // Does what the sweeps of workers that died would have done, up to the last one, which ends it.
  const lostWhenAsked = async (): Promise<boolean> => {
    const found = await findStuck(service.temporal, hopelessId);
    if (found === null) return false;
    if (found.lostWhenAsked === 2) return true;
    await expect(endIfHopeless(service.temporal, found)).resolves.toBe(false);
    return false;
  };
  await eventually('two attempts that were asked for are lost', lostWhenAsked, patienceMs);

  dying.stop();
  await service.startWorker();
  const handle = service.temporal.workflow.getHandle(hopelessId);
  await expect(handle.describe()).resolves.toMatchObject({ status: { name: 'TERMINATED' } });
  await expect(service.client.turn(young)).resolves.toMatchObject({ success: true });
}, 240_000);

test('a task that lost a worker and then only fails is left alone, and is answered once the code is fixed', async () => {
  const [turnId, sessionId] = [unique('turn'), unique('session')];
  const ids = [turnWorkflowId(turnId, null), conversationWorkflowId(sessionId)] as const;
  await startTurn(turnId, patientTask);
  await startConversation(sessionId, patientTask);
  await reached(3, ...ids);
  dying.stop();

  const { address, namespace, taskQueue } = service.settings.temporal;
  const native = await NativeConnection.connect({ address });
  const sweep = new StuckSweep({ connection: native, namespace, taskQueue, onError: fail });
  const answers = Promise.all([
    service.client.complete({ turnId, messages }),
    service.client.send({ sessionId, content: 'Hello' }),
  ]);
  const unfit = await Worker.create({
    connection: native,
    namespace,
    taskQueue,
    workflowsPath: require.resolve('../support/workflows/unfit-release'),
  });
  const allFail = async (): Promise<boolean> => {
    await sweep.sweep();
    const found = await Promise.all(ids.map((id) => findStuck(service.temporal, id)));
    return found.every((each) => each?.because === 'task-failed');
  };
  await unfit.runUntil(async () => {
    await eventually('Temporal is told that they fail', allFail, patienceMs);
    await reached(6, ...ids);
    await expect(allFail()).resolves.toBe(true);
  });
  await sweep.stop();
  await native.close();

  await service.startWorker();
  await expect(answers).resolves.toMatchObject([{ success: true }, { success: true }]);
}, 240_000);

test('a check that runs out of time reports what it saw and where to continue', async () => {
  const ids = Array.from({ length: 60 }, () => unique('turn'));
  await Promise.all(ids.map((id) => startTurn(id)));
  const { taskQueue } = service.settings.temporal;
  const allAreListed = async () => (await listStuck(service.temporal, taskQueue)).running === ids.length;
  await eventually('Temporal lists what was begun', allAreListed);

  const first = await listStuck(service.temporal, taskQueue, { forMs: 0 });
  expect(first).toMatchObject({ running: 50, next: expect.any(Uint8Array) as Uint8Array });
  const rest = await listStuck(service.temporal, taskQueue, { forMs: 0, next: first.next });
  expect(rest).toMatchObject({ running: 10, next: undefined });
  const few = await listStuck(service.temporal, taskQueue, { atMost: 1 });
  expect(few).toMatchObject({ running: 50, next: expect.any(Uint8Array) as Uint8Array });
});

test('an operator sees what is stuck, doctor names it, and the operator can end it', async () => {
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
  expect(one.stdout).not.toContain(ids[1]);
  await workspace.run(['stuck', '--end-all'], service.environment);
  const after = await workspace.spawn(['stuck'], service.environment);
  expect(after.stdout).toBe('Nothing is stuck.\n');
  await expect(workspace.run(['stuck', '--end', ids[0]], service.environment)).resolves.toMatchObject({ status: 1 });
  await expect(service.temporal.workflow.getHandle(ids[0]).result()).rejects.toMatchObject({
    cause: { message: expect.stringContaining('a drill') as string },
  });
}, 240_000);
