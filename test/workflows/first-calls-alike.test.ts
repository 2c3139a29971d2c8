import type { CompletionRequest } from '../../src/contract/provider';
import { faults } from '../../src/local/simulator/behaviour';
import { startSimulator } from '../../src/local/simulator/simulator';
import { defaultArm, entry } from '../ledger/rollout-entries';
import { prepareRolloutService, startInterferedWorker } from '../support/rollout-service';
import { fallbackModel, primaryModel } from '../support/service';

const legacyModel = 'legacy-chat';
/** A stream may take so long that too little time would be left for a rescue. */
const retry = {
  baseTimeoutMs: 140_000,
  timeoutJitterMs: 0,
  baseDelayMs: 10,
  delayJitterMs: 10,
  turnDeadlineMs: 600_000,
};
const stream = { totalMs: 480_000, firstByteMs: 60_000, firstTokenMs: 60_000, idleMs: 60_000 };
const ownMs = retry.turnDeadlineMs - retry.baseTimeoutMs;

test.each(['local', 'regular'] as const)(
  'a canary’s first call may take as long as a baseline’s, and the others leave time for a rescue (%s)',
  async (firstAttempt) => {
    const models = { [primaryModel]: {}, [fallbackModel]: {}, [legacyModel]: {} };
    const simulator = await startSimulator({ models });
    const target = { provider: 'holysheep', firstAttempt, streaming: true };
    const service = await prepareRolloutService({
      simulator,
      configuration: {
        retry,
        stream,
        pinnedUsers: { ann: 'legacy' },
        arms: {
          holysheep: {
            targets: [
              { ...target, name: 'first', model: primaryModel },
              { ...target, name: 'second', model: fallbackModel },
            ],
          },
          legacy: {
            targets: [
              { name: 'legacy-primary', provider: 'legacy', model: legacyModel, firstAttempt, streaming: true },
            ],
          },
        },
      },
    });
    const started = entry(1, { percent: 100, spec: { rescue: true } });
    expect(await service.ledger.rollouts.record(started, defaultArm)).toMatchObject({ kind: 'recorded' });
    const calls: CompletionRequest[] = [];
    const stopWorker = await startInterferedWorker(service, { calls: (request) => calls.push(request) });
    try {
      await simulator.setBehaviour(primaryModel, { alwaysFault: faults.serverError() });
      const ask = (userId: string) =>
        service.client.complete({ userId, messages: [{ role: 'user', content: 'Hello' }], delivery: 'streamed' });
      expect(await ask('ben')).toMatchObject({ provider: 'second', success: true });
      expect(await ask('ann')).toMatchObject({ provider: 'legacy-primary', success: true });
      const limitsOf = (model: string) => calls.filter((call) => call.model === model).map((call) => call.timeoutMs);
      const [first, ...further] = limitsOf(primaryModel);
      expect([first]).toEqual([stream.totalMs]);
      expect(limitsOf(legacyModel)).toEqual([stream.totalMs]);
      const others = [...further, ...limitsOf(fallbackModel)];
      expect(others.length).toBeGreaterThan(1);
      expect(Math.max(...others)).toBeLessThanOrEqual(ownMs);
    } finally {
      await stopWorker();
      await service.stop();
      await simulator.close();
    }
  },
);
