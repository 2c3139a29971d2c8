import { faults, legacyProfile, type ModelBehaviour } from '../../../src/local/simulator/behaviour';
import { SimulatedModel } from '../../../src/local/simulator/simulated-model';

const calls = 10_000;

function outcomes(changes: Partial<ModelBehaviour>, seed: string) {
  const model = new SimulatedModel('m', changes, seed);
  return Array.from({ length: calls }, () => model.next());
}

function share(kind: string, all: ReturnType<typeof outcomes>): number {
  return all.filter(({ fault }) => fault?.kind === kind).length / all.length;
}

test('the legacy profile is silent in 15% of its calls', () => {
  const silent = share('silence', outcomes(legacyProfile['legacy-chat'] ?? {}, 'a'));
  expect(silent).toBeGreaterThan(0.14);
  expect(silent).toBeLessThan(0.16);
});

test('each random fault has its own probability', () => {
  const all = outcomes(
    {
      randomFaults: [
        { fault: { kind: 'reset' }, probability: 0.1 },
        { fault: { kind: 'html' }, probability: 0.3 },
      ],
    },
    'a',
  );
  expect(Math.abs(share('reset', all) - 0.1)).toBeLessThan(0.01);
  expect(Math.abs(share('html', all) - 0.3)).toBeLessThan(0.02);
});

test('the same seed gives the same calls, and another seed gives different ones', () => {
  const behaviour = legacyProfile['legacy-chat'] ?? {};
  expect(outcomes(behaviour, 'a')).toEqual(outcomes(behaviour, 'a'));
  expect(outcomes(behaviour, 'a')).not.toEqual(outcomes(behaviour, 'b'));
});

test('a queued fault does not change what happens to the calls after it', () => {
  const behaviour = legacyProfile['legacy-chat'] ?? {};
  const model = new SimulatedModel('m', behaviour, 'a');
  model.queueFaults([faults.serverError()]);
  const [first, ...rest] = Array.from({ length: calls }, () => model.next());
  expect(first?.fault?.kind).toBe('status');
  expect(rest).toEqual(outcomes(behaviour, 'a').slice(1));
});

test('each poor answer has its own probability, in its own language', () => {
  const poorAnswers = [
    { kind: 'wrong-language', language: 'zh', probability: 0.5 },
    { kind: 'empty', probability: 0.1 },
  ] as const;
  const model = new SimulatedModel('m', { poorAnswers }, 'a');
  const shareOf = (kind: string | null, language: string): number =>
    Array.from({ length: calls }, () => model.nextPoorAnswer(language)).filter((poor) => poor === kind).length / calls;
  expect(Math.abs(shareOf('wrong-language', 'zh') - 0.5)).toBeLessThan(0.02);
  expect(Math.abs(shareOf('empty', 'zh') - 0.1)).toBeLessThan(0.015);
  expect(shareOf('wrong-language', 'en')).toBe(0);
  expect(Math.abs(shareOf('empty', 'en') - 0.1)).toBeLessThan(0.015);
});

test('probabilities of poor answers that add up to more than 1 for a language are refused', () => {
  const poor = { kind: 'empty', probability: 0.6 } as const;
  const both = [poor, { ...poor, language: 'zh' }] as const;
  expect(() => new SimulatedModel('m', { poorAnswers: both }, 'a')).toThrow(/1\.2 for zh, more than 1/);
});
