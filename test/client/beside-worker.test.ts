import type { BellwetherClient } from '../../src/client';
import { connectBesideWorker } from '../../src/client/connect';
import { turnWorkflowId } from '../../src/contract/names';
import type { RunningWorker } from '../../src/services/worker';
import { prepareService, type Service } from '../support/service';
import { unique } from '../support/temporal';

let service: Service;
let worker: RunningWorker;
let client: BellwetherClient;
beforeAll(async () => {
  const environment = { BELLWETHER_ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 1).toString('base64')}` };
  service = await prepareService({ environment });
  worker = await service.startWorker();
  const { temporal, encryption } = service.settings;
  client = await connectBesideWorker({ temporal, encryption: encryption ?? null }, worker.connection);
});
afterAll(async () => {
  await client.disconnect();
  await service.stop();
});

const messages = [{ role: 'user', content: 'Where is my order?' }] as const;

test('a turn that starts in its worker’s process gets its first task with the response to its start', async () => {
  const turnId = unique('turn');
  await expect(client.complete({ turnId, messages })).resolves.toMatchObject({ turn_id: turnId, success: true });

  const handle = service.temporal.workflow.getHandle(turnWorkflowId(turnId, null));
  const [started] = (await handle.fetchHistory()).events ?? [];
  expect(started?.workflowExecutionStartedEventAttributes).toMatchObject({ eagerExecutionAccepted: true });
});

test('sending the same turn again, even from another client, returns the same answer from one call', async () => {
  const turnId = unique('turn');
  await service.simulator.clearCalls();
  const replies = await Promise.all(
    [client, client, service.client].map((each) => each.complete({ turnId, messages })),
  );
  replies.push(await client.complete({ turnId, messages }));
  for (const reply of replies) expect(reply).toEqual(replies[0]);
  expect(await service.simulator.calls()).toHaveLength(1);
});

test('turns of a session work as before', async () => {
  const sessionId = unique('session');
  await expect(client.send({ sessionId, content: 'Hello' })).resolves.toMatchObject({ success: true });
});
