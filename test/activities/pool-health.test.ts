import { TargetHealth } from '../../src/activities/target-health';
import { loadSettings } from '../../src/config/load-settings';
import type { CallFailure } from '../../src/contract/failures';
import type { Target } from '../../src/contract/policy';
import type { CompletionResult } from '../../src/contract/provider';

const { policy } = loadSettings({ environment: {} });
const [example] = policy.arms['holysheep']!.targets;
const member = (provider: string): Target => ({
  ...example!,
  provider,
  pool: { model: example!.model, weight: 1, cooldownMs: 10_000 },
});
const [east, west] = [member('east'), member('west')];
const chain = [east, west];

let nowMs = 1_000_000;
let health: TargetHealth;
beforeEach(() => {
  jest.spyOn(Date, 'now').mockImplementation(() => nowMs);
  jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
  health = new TargetHealth({ ...policy, breaker: { failures: 3, halfOpenAfterMs: 10_000 } });
});
afterEach(() => jest.restoreAllMocks());

const answered: CompletionResult = {
  kind: 'completed',
  content: 'Hello',
  model: 'm',
  finishReason: 'stop',
  usage: null,
  latencyMs: 1,
};
const works = async () => ({ result: answered, signal: 'works' as const });
const fails =
  (changes: Partial<CallFailure> = {}) =>
  async () => {
    const failure: CallFailure = {
      kind: 'server-error',
      message: 'overloaded',
      retryable: true,
      charge: 'not-charged',
      httpStatus: 503,
      retryAfterMs: null,
      ...changes,
    };
    const result = { kind: 'failed', failure, latencyMs: 1, receivedBytes: true } as const;
    return { result, signal: 'fails' as const };
  };

test('one failure of each member stops no turn: until their circuits open, the pool is called like a single target', async () => {
  await health.call(east, chain, fails());
  expect([health.mayCall(east, chain), health.mayCall(west, chain)]).toEqual([false, true]);
  await health.call(west, chain, fails());
  expect([health.mayCall(east, chain), health.mayCall(west, chain)]).toEqual([true, true]);
  // As many at a time as there are turns.
  const together = await Promise.all([health.call(east, chain, fails()), health.call(east, chain, works)]);
  expect(together.every((result) => result !== null)).toBe(true);
});

test('members whose circuits are open get one call a second', async () => {
  for (const each of [east, west]) {
    for (let failures = 0; failures < 3; failures += 1) await health.call(each, [each], fails());
  }
  expect([health.mayCall(east, chain), health.mayCall(west, chain)]).toEqual([false, false]);
  nowMs += 1_000;
  expect(health.mayCall(east, chain)).toBe(true);
  void health.call(east, chain, () => new Promise(() => undefined));
  expect(health.mayCall(east, chain)).toBe(false);
});

test('a member that was told to wait is not called, even if no other can be', async () => {
  await health.call(east, chain, fails({ kind: 'rate-limited', retryAfterMs: 5_000 }));
  await health.call(west, chain, fails());
  expect([health.mayCall(east, chain), health.mayCall(west, chain)]).toEqual([false, true]);
  nowMs += 5_000;
  expect(health.mayCall(east, chain)).toBe(true);
});

test('a later failure without a wait does not shorten the one that the provider asked for', async () => {
  let end: () => void = () => undefined;
  const ending = new Promise<void>((resolve) => (end = resolve));
  const slow = health.call(east, chain, () => ending.then(fails()));
  await health.call(east, chain, fails({ kind: 'rate-limited', retryAfterMs: 300_000 }));
  end();
  await slow;
  nowMs += 299_000;
  expect(health.mayCall(east, chain)).toBe(false);
});
