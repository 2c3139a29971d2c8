import type { Delivery } from '../../src/contract/chat';
import { faults } from '../../src/simulator/behaviour';
import type { RunningWorker } from '../../src/worker';
import { disagreements } from '../support/audit';
import { eventually } from '../support/eventually';
import { fallbackModel, prepareService, primaryModel, type Service } from '../support/service';

let service: Service;
let worker: RunningWorker;
beforeAll(async () => {
  service = await prepareService({
    configuration: {
      retry: { maxAttemptsPerTarget: 2, baseDelayMs: 50, delayJitterMs: 50 },
      stream: { firstByteMs: 500 },
      // Long enough for whole turns to pass while the target is left alone.
      breaker: { failures: 3, halfOpenAfterMs: 8_000 },
    },
  });
  worker = await service.startWorker();
});
afterAll(() => service.stop());

const messages = [{ role: 'user', content: 'Where is my order?' }] as const;
const ask = (delivery: Delivery = 'streamed') => service.client.complete({ delivery, messages });
const stateOf = (model: string) => worker.targetStates().find((target) => target.model === model)?.state;
const callsTo = async (model: string) => (await service.simulator.calls()).filter((call) => call.model === model);

test('a target that is down is soon left alone, tried now and then, and back once it is well', async () => {
  await service.simulator.setBehaviour(primaryModel, { alwaysFault: { kind: 'silence' } });
  const answeredByFallback = { provider: 'holysheep-fallback', model: fallbackModel, success: true };
  // A silent target is asked once a turn.
  for (let turn = 0; turn < 3; turn += 1) await expect(ask()).resolves.toMatchObject(answeredByFallback);
  expect(stateOf(primaryModel)).toBe('open');
  expect(await callsTo(primaryModel)).toHaveLength(3);

  await expect(ask()).resolves.toMatchObject(answeredByFallback);
  await expect(ask('whole')).resolves.toMatchObject(answeredByFallback);
  expect(await callsTo(primaryModel)).toHaveLength(3);

  await eventually('the wait is over', () => Promise.resolve(stateOf(primaryModel) === 'half-open'));
  await Promise.all(Array.from({ length: 6 }, () => expect(ask()).resolves.toMatchObject(answeredByFallback)));
  expect(await callsTo(primaryModel)).toHaveLength(4);

  await service.simulator.setBehaviour(primaryModel, { alwaysFault: null });
  const recoveredAtMs = Date.now();
  await eventually('the target is back', async () => (await ask()).provider === 'holysheep-primary');
  expect(Date.now() - recoveredAtMs).toBeLessThan(30_000);
  expect(stateOf(primaryModel)).toBe('closed');
  expect(disagreements(await service.ledger.attempts(), await service.simulator.calls())).toEqual([]);
}, 60_000);

test('when all targets are down turns try as ever, and the first one after that is answered', async () => {
  await service.simulator.setBehaviour('*', { alwaysFault: faults.serverError(503) });
  await eventually('all targets are left alone', async () => {
    await ask();
    return stateOf(primaryModel) === 'open' && stateOf(fallbackModel) === 'open';
  });
  await service.simulator.clearCalls();
  await expect(ask()).resolves.toMatchObject({ success: false, error_kind: 'server-error', attempts: 4 });
  expect(await service.simulator.calls()).toHaveLength(4);
  await service.simulator.setBehaviour('*', { alwaysFault: null });
  await expect(ask()).resolves.toMatchObject({ provider: 'holysheep-primary', success: true });
}, 60_000);
