import { randomBytes } from 'node:crypto';
import type { Payload } from '@temporalio/common';
import { decodeOptionalFailureToOptionalError } from '@temporalio/common/lib/internal-non-workflow/codec-helpers';
import { conversationWorkflowId, turnWorkflowId } from '../../src/contract/names';
import { eventually } from '../support/eventually';
import { prepareRolloutService, type RolloutService } from '../support/rollout-service';
import { unhurriedRolloutSpec } from '../support/rollout-spec';
import { unique } from '../support/temporal';

jest.setTimeout(180_000);

let service: RolloutService;
beforeAll(async () => {
  const encryption = {
    BELLWETHER_ENCRYPTION_KEYS: `test-key:${randomBytes(32).toString('base64')}`,
    BELLWETHER_ENCRYPTION_STRICT: 'true',
  };
  service = await prepareRolloutService({ environment: encryption });
  await service.startWorker();
});
afterAll(() => service.stop());

/** As Temporal has them: the arguments of the workflow's first event. */
async function storedInput(workflowId: string): Promise<Payload[]> {
  const { workflowService, options } = service.temporal;
  const { history } = await workflowService.getWorkflowExecutionHistory({
    namespace: options.namespace,
    execution: { workflowId },
  });
  return history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
}

/** Starts a workflow without a key, with these arguments as they are. Returns how its first task failed. */
async function failureWith(workflowId: string, payloads: Payload[]): Promise<string | undefined> {
  const { workflowService, options } = service.temporal;
  await workflowService.startWorkflowExecution({
    namespace: options.namespace,
    workflowId,
    requestId: unique('request'),
    workflowType: { name: 'chatTurn' },
    taskQueue: { name: service.settings.temporal.taskQueue },
    input: { payloads },
  });
  const handle = service.temporal.workflow.getHandle(workflowId);
  const failure = async () => {
    const { events } = await handle.fetchHistory();
    return events?.map((event) => event.workflowTaskFailedEventAttributes?.failure).find(Boolean);
  };
  await eventually('its first task has failed', async () => (await failure()) !== undefined);
  await handle.terminate('the test is over');
  const error = await decodeOptionalFailureToOptionalError(options.loadedDataConverter, await failure());
  return error?.message;
}

test('everything works where nothing but encrypted payloads of the own workflow are accepted', async () => {
  const sessionId = unique('session');
  await service.client.send({ sessionId, content: 'Where is my order?' });
  await service.client.send({ sessionId, content: 'And my parcel?' });
  expect((await service.client.transcript(sessionId)).turns).toHaveLength(2);
  expect(await service.client.spend(sessionId)).toMatchObject({ turns: 2 });
  await service.client.complete({ messages: [{ role: 'user', content: 'Hello' }], sessionId });
  await service.client.close(sessionId, 'done');
  const handle = service.temporal.workflow.getHandle(conversationWorkflowId(sessionId));
  await handle.result();
  const description = await handle.describe();
  expect(description.memo).toMatchObject({ spend: { turns: 2 } });
  await expect(description.staticSummary()).resolves.toContain(sessionId);

  const spec = unhurriedRolloutSpec();
  await service.rollouts.start(spec);
  await service.rollouts.command(spec.name, 'pause', { actor: 'ann', reason: 'lunch' });
  expect((await service.rollouts.status(spec.name)).state.phase).toBe('Paused');
  const promoted = await service.rollouts.command(spec.name, 'promote', { actor: 'ann' });
  expect(promoted.accepted).toBe(false);
  await service.rollouts.rollBack(spec.name, { actor: 'ann' }, service.ledger.rollouts);
  expect(await service.rollouts.recordedRows([spec.name])).toContainEqual(
    expect.objectContaining({ rollout: spec.name, ...(await service.ledger.rollouts.auditHead()) }),
  );
});

test('a message cannot be moved into another workflow, nor one in plain text be sent', async () => {
  const reply = await service.client.complete({ messages: [{ role: 'user', content: 'Hello' }] });
  const stolen = await storedInput(turnWorkflowId(reply.turn_id, null));
  expect(stolen).toHaveLength(1);
  expect(await failureWith(unique('turn/stolen'), stolen)).toContain('A payload was encrypted for');

  const input = { turnId: 'plain', messages: [{ role: 'user', content: 'Hello' }] };
  const plain = { metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from(JSON.stringify(input)) };
  expect(await failureWith(unique('turn/plain'), [plain])).toContain('is not encrypted');
});
