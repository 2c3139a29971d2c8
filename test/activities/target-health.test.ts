import { TargetBreakers, type CallEnd } from '../../src/activities/target-health';
import type { HealthSignal } from '../../src/domain/turn/outcome-meanings';
import type { CompletionResult } from '../../src/contract/provider';

const policy = { failures: 3, halfOpenAfterMs: 10_000 };
const primary = { provider: 'holysheep', model: 'deepseek-v3.2' };
const fallback = { provider: 'holysheep', model: 'gemini-2.5-flash' };
const chain = [primary, fallback];

let nowMs = 1_000_000;
let breakers: TargetBreakers;
beforeEach(() => {
  jest.spyOn(Date, 'now').mockImplementation(() => nowMs);
  breakers = new TargetBreakers(policy);
});
afterEach(() => jest.restoreAllMocks());

const result: CompletionResult = {
  kind: 'completed',
  content: 'Hello',
  model: 'm',
  finishReason: 'stop',
  usage: null,
  latencyMs: 1,
};

/** Whether the target was asked. */
async function ask(signal: HealthSignal, asked = primary): Promise<boolean> {
  return (await breakers.call(asked, chain, async () => ({ result, signal }))) !== null;
}

async function askOften(signs: readonly HealthSignal[], asked = primary): Promise<void> {
  for (const signal of signs) await ask(signal, asked);
}

/** A call that ends when it is told to. */
function heldCall() {
  let end: (end: CallEnd) => void = () => undefined;
  let begin: () => void = () => undefined;
  const ended = new Promise<CallEnd>((resolve) => (end = resolve));
  const running = breakers.call(primary, chain, (onAnswering) => {
    begin = onAnswering;
    return ended;
  });
  return { running, begin: () => begin(), end: (signal: HealthSignal) => end({ result, signal }) };
}

const stateOf = (asked: typeof primary) => breakers.states().find(({ model }) => model === asked.model)?.state;

test('failures in a row open the circuit, and only those of that target', async () => {
  await askOften(['fails', 'fails']);
  expect(stateOf(primary)).toBe('closed');
  await askOften(['fails']);
  expect(stateOf(primary)).toBe('open');
  await expect(ask('works')).resolves.toBe(false);
  await expect(ask('works', fallback)).resolves.toBe(true);
});

test('an answer in between begins the count anew, and what tells nothing does not', async () => {
  await askOften(['fails', 'fails', 'works', 'fails', 'fails']);
  expect(stateOf(primary)).toBe('closed');
  await askOften(['nothing', 'fails']);
  expect(stateOf(primary)).toBe('open');
});

test('the wait over, one call tries the target while the others go on without it', async () => {
  await askOften(['fails', 'fails', 'fails']);
  nowMs += policy.halfOpenAfterMs;
  expect(stateOf(primary)).toBe('half-open');
  const trial = heldCall();
  expect(breakers.mayCall(primary, chain)).toBe(false);
  await expect(ask('works')).resolves.toBe(false);
  trial.end('works');
  await expect(trial.running).resolves.toBe(result);
  expect(stateOf(primary)).toBe('closed');
});

test('a target that begins to answer is back, however long its answer takes', async () => {
  await askOften(['fails', 'fails', 'fails']);
  nowMs += policy.halfOpenAfterMs;
  const trial = heldCall();
  trial.begin();
  await new Promise(setImmediate);
  expect(stateOf(primary)).toBe('closed');
  await expect(ask('works')).resolves.toBe(true);
  trial.end('works');
  await trial.running;
});

test.each(['fails', 'nothing'] as const)('a trial that says %s begins the wait anew', async (signal) => {
  await askOften(['fails', 'fails', 'fails']);
  nowMs += policy.halfOpenAfterMs;
  await expect(ask(signal)).resolves.toBe(true);
  expect(stateOf(primary)).toBe('open');
  nowMs += policy.halfOpenAfterMs - 1;
  await expect(ask('works')).resolves.toBe(false);
  nowMs += 1;
  await expect(ask('works')).resolves.toBe(true);
});

/** With both circuits open, a moment later. */
async function openAll(): Promise<void> {
  await askOften(['fails', 'fails', 'fails']);
  await askOften(['fails', 'fails', 'fails'], fallback);
  expect([stateOf(primary), stateOf(fallback)]).toEqual(['open', 'open']);
  nowMs += 1_000;
}

test('where the whole chain is open one call at a time tries each target, and all others are refused', async () => {
  await openAll();
  const trial = heldCall();
  expect(breakers.mayCall(primary, chain)).toBe(false);
  await expect(ask('works')).resolves.toBe(false);
  await expect(ask('fails', fallback)).resolves.toBe(true);
  await expect(ask('works', fallback)).resolves.toBe(false);
  trial.end('fails');
  await expect(trial.running).resolves.toBe(result);
  expect([stateOf(primary), stateOf(fallback)]).toEqual(['open', 'open']);
});

test('where the whole chain is open each target is tried once a second', async () => {
  await openAll();
  await expect(ask('fails')).resolves.toBe(true);
  await expect(ask('works')).resolves.toBe(false);
  nowMs += 999;
  await expect(ask('works')).resolves.toBe(false);
  nowMs += 1;
  await expect(ask('works')).resolves.toBe(true);
  expect(breakers.isOpen(primary)).toBe(false);
});

test('where the whole chain is open the first signal of life ends it', async () => {
  await openAll();
  const trial = heldCall();
  trial.begin();
  expect(breakers.isOpen(primary)).toBe(false);
  // The other target is left alone again while this one works.
  await expect(ask('works', fallback)).resolves.toBe(false);
  trial.end('works');
  await trial.running;
});

test('a call that throws is no news of the target, and its error comes through', async () => {
  const broken = () => breakers.call(primary, chain, () => Promise.reject(new Error('a defect')));
  for (let call = 0; call < 5; call += 1) await expect(broken()).rejects.toThrow('a defect');
  expect(stateOf(primary)).toBe('closed');
});
