import { createHmac } from 'node:crypto';
import { BudgetRefusedError } from '../../src/client/errors';
import { eventually } from '../support/eventually';
import { prepareRolloutService, type RolloutService } from '../support/rollout-service';
import { unhurriedRolloutSpec } from '../support/rollout-spec';
import { primaryModel } from '../support/service';
import { spawnWorker } from '../support/worker-process';
import { answers, Receiver } from './receiver';

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

/** Longer than a dead worker's claim lasts. */
const takeOverMs = 90_000;

let receiver: Receiver;
let service: RolloutService;

beforeEach(async () => {
  receiver = await Receiver.start();
  service = await prepareRolloutService({
    configuration: {
      notify: [{ name: 'ops', url: receiver.url, secretEnv: 'OPS_SECRET' }],
      budgets: { dayUsd: '0.01', maxCompletionTokens: 1_000 },
      models: { 'legacy-chat': { price: '5.00' }, [primaryModel]: { price: '5.00' } },
    },
    environment: { OPS_SECRET: secret },
  });
});
afterEach(async () => {
  await service.stop();
  await receiver.kill();
});

const types = (): readonly string[] => receiver.received.map(({ body }) => (JSON.parse(body) as { type: string }).type);

test('a rollout decides while its receiver hangs, and what a killed worker was telling is told by the next', async () => {
  receiver.answer = answers.hang;
  const worker = spawnWorker(service);
  await worker.started;
  const spec = unhurriedRolloutSpec();
  await service.rollouts.start(spec);
  await eventually('the receiver hangs', () => receiver.received.length > 0);
  await expect(service.rollouts.command(spec.name, 'pause', { actor: 'ann' })).resolves.toMatchObject({
    accepted: true,
  });
  await worker.kill();
  receiver.answer = answers.ok;

  await service.startWorker();
  await expect(
    service.rollouts.command(spec.name, 'rollback', { actor: 'ann', reason: 'complaints' }),
  ).resolves.toMatchObject({ accepted: true });
  await eventually('all is told', () => types().includes('rolled-back'), takeOverMs);
  expect([...new Set(types())]).toEqual(['started', 'paused', 'rolled-back']);
  const ids = new Set(receiver.received.map(({ headers }) => headers['webhook-id']));
  expect(ids.size).toBe(3);

  const { headers, body } = receiver.received.at(-1) ?? { headers: {}, body: '' };
  const { 'webhook-id': id, 'webhook-timestamp': timestamp } = headers;
  const mac = createHmac('sha256', Buffer.alloc(32, 7)).update(`${String(id)}.${String(timestamp)}.${body}`);
  expect(headers['webhook-signature']).toBe(`v1,${mac.digest('base64')}`);
  expect(JSON.parse(body)).toMatchObject({
    rollout: spec.name,
    text: expect.stringContaining('complaints'),
    data: { actor: 'ann', percent: 0, phase: 'RolledBack' },
  });
}, 180_000);

test('a day’s budget that refuses a turn is told once, and no text of a turn', async () => {
  await service.startWorker();
  const isRefused = () =>
    service.client.send({ sessionId: crypto.randomUUID(), content: 'Where is my order no. 4711?' }).then(
      () => false,
      (error: unknown) => error instanceof BudgetRefusedError,
    );
  await eventually('a turn is refused', isRefused, 60_000);
  expect(await isRefused()).toBe(true);
  const refused = "A turn was refused: it could have cost more than is left of the day's budget";
  await eventually('it is told', () => receiver.titles.includes(refused));
  expect(receiver.titles.filter((title) => title === refused)).toHaveLength(1);
  expect(JSON.stringify(receiver.received)).not.toContain('4711');
}, 120_000);

test('a worker that cannot read an address does not start, and says which', async () => {
  const { OPS_SECRET: _, ...environment } = service.environment;
  const worker = spawnWorker({ environment, directory: service.directory });
  await expect(worker.started).rejects.toThrow('notify, ops: OPS_SECRET is not set');
});
