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
async function begin({
  halfOpenAfterMs,
  failures = 3,
  budgetPerSecond,
}: {
  readonly halfOpenAfterMs: number;
  readonly failures?: number;
  readonly budgetPerSecond?: number;
}): Promise<void> {
  service = await prepareService({
    configuration: {
      retry: { maxAttemptsPerTarget: 2, baseDelayMs: 50, delayJitterMs: 50, budgetPerSecond },
      // What is slow here is no failure.
      stream: { firstByteMs: 60_000, firstTokenMs: 60_000, idleMs: 60_000 },
      breaker: { failures, halfOpenAfterMs },
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

test('when all targets are down turns end at once with the degraded reply, and probes find the first one that is back', async () => {
  await begin(untilTheEnd);
  await service.simulator.setBehaviour('*', down);
  await eventually('all targets are left alone', async () => {
    await ask();
    return stateOf(primaryModel) === 'open' && stateOf(fallbackModel) === 'open';
  });
  await service.simulator.clearCalls();
  const beganAtMs = Date.now();
  const replies = await Promise.all(Array.from({ length: 30 }, () => ask()));
  // One a second and target.
  const probes = 2 * Math.ceil((Date.now() - beganAtMs) / 1_000);
  expect((await service.simulator.calls()).length).toBeLessThanOrEqual(probes);
  expect(replies.every(({ success }) => !success)).toBe(true);
  expect(replies.map(({ error_kind }) => error_kind)).toContain('circuit-open');
  const uncalled = replies.filter(({ attempts }) => attempts === 0);
  expect(uncalled.length).toBeGreaterThanOrEqual(30 - probes);
  expect(uncalled.map(({ cost_usd, content }) => [cost_usd, content])).toContainEqual([
    0,
    'I am sorry, I cannot answer right now. Please try again in a few minutes.',
  ]);
  expect(disagreements(await service.ledger.attempts(), await service.simulator.calls())).toEqual([]);

  await service.simulator.setBehaviour('*', up);
  await eventually('a probe has found a target that is back', async () => (await ask()).success);
});

test('in a flood of failing calls most are not tried again, and a lone turn is', async () => {
  await begin({ ...untilTheEnd, failures: 1_000, budgetPerSecond: 0.1 });
  await service.simulator.setBehaviour('*', down);
  // An idle worker has saved up one retry for the provider of both targets.
  await expect(ask()).resolves.toMatchObject({ success: false, attempts: 3 });
  const replies = await Promise.all(Array.from({ length: 20 }, () => ask()));
  const retries = replies.reduce((sum, { attempts }) => sum + attempts - 2, 0);
  expect(retries).toBeLessThanOrEqual(5);
});
