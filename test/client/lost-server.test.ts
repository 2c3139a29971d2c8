import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { temporal as protocol } from '@temporalio/proto';
import { type BellwetherClient, TurnNotKeptError } from '../../src/client';
import { turnWorkflowId } from '../../src/contract/names';
import { prepareService, type Service, startService } from '../support/service';
import { startOwnTemporal, unique } from '../support/temporal';

const content = 'Where is my order?';
const send = (client: BellwetherClient, turnId: string) => client.send({ sessionId: 'session', turnId, content });
const complete = (client: BellwetherClient, turnId: string) =>
  client.complete({ turnId, messages: [{ role: 'user', content }] });
const callCount = async ({ simulator }: Service) => (await simulator.calls()).length;

describe('once Temporal has lost its data', () => {
  let service: Service;
  let stop: () => Promise<void>;

  beforeAll(async () => {
    const dataDirectory = mkdtempSync(join(tmpdir(), 'bellwether-kept-'));
    const environment = { BELLWETHER_DATA_DIR: dataDirectory };
    // One call of each target, so that nothing waits for a retry.
    const configuration = { retry: { maxAttemptsPerTarget: 1 } };
    const lost = await startOwnTemporal();
    const before = await startService({ temporal: lost, environment, configuration });
    await send(before.client, 'in-a-session');
    await complete(before.client, 'one-shot');
    await before.simulator.setBehaviour('*', { alwaysFault: { kind: 'status', status: 500 } });
    expect(await complete(before.client, 'degraded')).toMatchObject({ success: false });
    await before.stop();
    await lost.stop();
    const empty = await startOwnTemporal();
    service = await startService({ temporal: empty, environment, configuration });
    stop = async () => {
      await service.stop();
      await empty.stop();
      await rm(dataDirectory, { recursive: true });
    };
  });
  afterAll(() => stop());

  test.each([
    ['in-a-session', send],
    ['one-shot', complete],
  ])('the same turn id (%s) is told as not kept, and is not bought again', async (turnId, again) => {
    const before = await callCount(service);
    for (const time of ['once', 'twice']) {
      const reply = again(service.client, turnId);
      await expect(reply).rejects.toThrow(TurnNotKeptError);
      await expect(reply).rejects.toThrow(`Turn ${turnId} was answered and paid for before`);
      expect({ time, calls: (await callCount(service)) - before }).toEqual({ time, calls: 0 });
    }
  });

  test('its session takes other turns', async () => {
    expect(await send(service.client, unique('other'))).toMatchObject({ success: true });
  });

  test('a turn that nobody could answer then is answered now', async () => {
    expect(await complete(service.client, 'degraded')).toMatchObject({ success: true });
  });
});

test('a turn whose workflow is reset after its answer is answered again', async () => {
  const service = await prepareService();
  try {
    const worker = await service.startWorker();
    const turnId = unique('turn');
    const reply = await complete(service.client, turnId);
    // Its memory would give the answer.
    await worker.stop();
    await service.startWorker();
    const { connection, options } = service.temporal;
    const workflowExecution = { workflowId: turnWorkflowId(turnId, null) };
    const { events } = await service.temporal.workflow.getHandle(workflowExecution.workflowId).fetchHistory();
    const { EVENT_TYPE_WORKFLOW_TASK_COMPLETED: completed } = protocol.api.enums.v1.EventType;
    const { runId } = await connection.workflowService.resetWorkflowExecution({
      namespace: options.namespace,
      workflowExecution,
      requestId: unique('reset'),
      reason: 'a test',
      workflowTaskFinishEventId: events?.find(({ eventType }) => eventType === completed)?.eventId,
    });
    expect(await service.temporal.workflow.getHandle(workflowExecution.workflowId, runId).result()).toMatchObject({
      success: true,
      attempts: 2,
      content: reply.content,
    });
    expect((await service.ledger.attempts(turnId)).map(({ state }) => state)).toEqual(['settled', 'settled']);
  } finally {
    await service.stop();
  }
});
