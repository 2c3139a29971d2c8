import type { Delivery } from '../../src/contract/chat';
import { faults } from '../../src/local/simulator/behaviour';
import type { RunningWorker } from '../../src/services/worker';
import { disagreements } from '../support/audit';
import { eventually } from '../support/eventually';
import { fallbackModel, prepareService, primaryModel, type Service } from '../support/service';

let service: Service;
let worker: RunningWorker;
afterEach(() => service.stop());

/** Each test has a worker of its own, which knows nothing of targets yet and leaves a failing one alone for so long. */
async function begin({ halfOpenAfterMs }: { readonly halfOpenAfterMs: number }): Promise<void> {
  service = await prepareService({
    configuration: {
      retry: { maxAttemptsPerTarget: 2, baseDelayMs: 50, delayJitterMs: 50 },
      // What is slow here is no failure.
      stream: { firstByteMs: 60_000, firstTokenMs: 60_000, idleMs: 60_000 },
      breaker: { failures: 3, halfOpenAfterMs },
    },
  });
  worker = await service.startWorker();
}

/** Longer than any test takes. */
const untilTheEnd = { halfOpenAfterMs: 600_000 };

const down = { alwaysFault: faults.serverError(503) };
const up = { alwaysFault: null };
const answeredByFallback = { provider: 'holysheep-fallback', model: fallbackModel, success: true };

const messages = [{ role: 'user', content: 'Where is my order?' }] as const;
const ask = (delivery: Delivery = 'streamed') => service.client.complete({ delivery, messages });
const stateOf = (model: string) => worker.targetStates().find((target) => target.model === model)?.state;
const callsTo = async (model: string) => (await service.simulator.calls()).filter((call) => call.model === model);

test('a target that is down is soon left alone, by all turns', async () => {
  await begin(untilTheEnd);
  await service.simulator.setBehaviour(primaryModel, down);
  // Twice in the first turn, once in the second.
  for (let turn = 0; turn < 2; turn += 1) await expect(ask()).resolves.toMatchObject(answeredByFallback);
  expect(stateOf(primaryModel)).toBe('open');
  expect(await callsTo(primaryModel)).toHaveLength(3);

  await expect(ask()).resolves.toMatchObject({ ...answeredByFallback, attempts: 1 });
  await expect(ask('whole')).resolves.toMatchObject({ ...answeredByFallback, attempts: 1 });
  expect(await callsTo(primaryModel)).toHaveLength(3);
  expect(disagreements(await service.ledger.attempts(), await service.simulator.calls())).toEqual([]);
});

test('the wait over, one turn tries the target, the others go on without it, and it is back once it is well', async () => {
  await begin({ halfOpenAfterMs: 1_000 });
  await service.simulator.setBehaviour(primaryModel, down);
  await eventually('the target is left alone', async () => {
    await ask();
    return stateOf(primaryModel) !== 'closed';
  });
  await service.simulator.setBehaviour(primaryModel, { ...up, latency: { kind: 'fixed', ms: 3_000 } });
  await eventually('the wait is over', () => Promise.resolve(stateOf(primaryModel) === 'half-open'));
  await service.simulator.clearCalls();
  const replies = await Promise.all(Array.from({ length: 6 }, () => ask()));

  expect(replies.every(({ success }) => success)).toBe(true);
  const [trial, ...later] = await callsTo(primaryModel);
  // Whoever comes while it tries goes elsewhere; a turn that comes after it has answered may ask the target again.
  const trialEndedAtMs = trial?.endedAtMs ?? Infinity;
  expect(later.filter(({ startedAtMs }) => startedAtMs < trialEndedAtMs)).toEqual([]);
  expect(replies.map(({ provider }) => provider)).toContain('holysheep-primary');
  expect(stateOf(primaryModel)).toBe('closed');
  expect(await ask()).toMatchObject({ provider: 'holysheep-primary', attempts: 1 });
});

test('when all targets are down turns try as ever, and the first one after that is answered', async () => {
  await begin(untilTheEnd);
  await service.simulator.setBehaviour('*', down);
  await eventually('all targets are left alone', async () => {
    await ask();
    return stateOf(primaryModel) === 'open' && stateOf(fallbackModel) === 'open';
  });
  await service.simulator.clearCalls();
  await expect(ask()).resolves.toMatchObject({ success: false, error_kind: 'server-error', attempts: 4 });
  expect(await service.simulator.calls()).toHaveLength(4);
  await service.simulator.setBehaviour('*', up);
  await expect(ask()).resolves.toMatchObject({ provider: 'holysheep-primary', success: true });
});
