import { faults } from '../../src/local/simulator/behaviour';
import { fallbackModel, primaryModel } from '../support/service';
import { unique } from '../support/temporal';
import {
  callBegan,
  callOf,
  inActivity,
  ledgerWith,
  newEnvironment,
  newTurn,
  open,
  prepareSetting,
  type Setting,
} from './setting';

let setting: Setting;
beforeAll(async () => {
  setting = await prepareSetting();
});
afterAll(() => setting.stop());
beforeEach(async () => {
  await setting.simulator.clearCalls();
  await setting.simulator.setBehaviour('*', { latency: { kind: 'fixed', ms: 0 } });
});

const callIds = async () => (await setting.simulator.calls()).map((call) => call.requestId);
const statesOf = async (turnId: string) => (await setting.ledger.attempts(turnId)).map((row) => row.state);
const lost = () => Promise.reject(new Error('The ledger is lost.'));

test('a turn that goes well is admitted, answered and recorded in one step', async () => {
  const turn = newTurn();
  const opened = await open(setting.newProcess(), turn);
  expect(opened).toMatchObject({
    kind: 'answered',
    arm: 'holysheep',
    target: 'holysheep-primary',
    model: primaryModel,
  });
  const [call] = await setting.simulator.calls();
  const tokens = (call?.promptTokens ?? 0) + (call?.completionTokens ?? 0);
  expect(await setting.ledger.attempts(turn.turnId)).toMatchObject([{ state: 'settled', costNanoUsd: tokens * 420 }]);
});

test('a turn that asks for a model begins with the target that has it, and the others follow', async () => {
  await setting.simulator.queueFaults(fallbackModel, [faults.serverError()]);
  const turn = { ...newTurn(), model: fallbackModel };
  const opened = await open(setting.newProcess(), turn);
  expect(opened).toMatchObject({ kind: 'admitted', firstCall: { kind: 'failed' } });
  const targets = opened.kind === 'admitted' ? opened.admission.targets : [];
  expect(targets.map(({ name }) => name)).toEqual(['holysheep-fallback', 'holysheep-primary']);
  // Its reservation too is at that model's price.
  expect(await setting.ledger.attempts(turn.turnId)).toMatchObject([{ model: fallbackModel }]);
  const plain = newTurn();
  await open(setting.newProcess(), plain);
  const [[dear], [cheap]] = [await setting.ledger.attempts(turn.turnId), await setting.ledger.attempts(plain.turnId)];
  expect(dear!.reservedNanoUsd).toBeGreaterThan(5 * cheap!.reservedNanoUsd);
});

test.each<[object, number]>([
  [{ enable_thinking: true }, 32_768],
  [{ enable_thinking: true, thinking_budget: 60_000 }, 60_000],
  [{ thinking: { type: 'enabled', budget_tokens: 50_000 } }, 50_000],
  [{ thinking: { type: 'enabled' } }, 32_768],
  [{ thinking: { type: 'disabled' } }, 0],
  [{ reasoning: { max_tokens: 40_000 } }, 40_000],
  [{ reasoning: { effort: 'high' } }, 32_768],
  [{ reasoning: { effort: 'none' } }, 0],
  [{ reasoning_effort: 'low' }, 32_768],
  [{ reasoning_effort: 'high', thinking_budget: 1 }, 32_768],
  [{ reasoning_effort: 'none' }, 0],
  [{ thinking_budget: -1 }, 32_768],
  [{ thinking_config: { thinkingBudget: 2_000 } }, 2_000],
  [{ extra_body: { google: { thinking_config: { thinking_budget: 70_000 } } } }, 70_000],
  [{ extra_body: { google: { thinking_config: { thinking_level: 'high' } } } }, 32_768],
  [{ enable_thinking: false, top_k: 3 }, 0],
  [{ prediction: { type: 'content', content: 'x'.repeat(500) } }, 500],
])('with the options %j, the tokens that they can cost are reserved', async (modelOptions, tokens) => {
  const reservedFor = async (turn: ReturnType<typeof newTurn>) => {
    await open(setting.newProcess(), turn);
    const [row] = await setting.ledger.attempts(turn.turnId);
    return row!.reservedNanoUsd / 420;
  };
  const plain = await reservedFor(newTurn());
  const more = (await reservedFor({ ...newTurn(), modelOptions } as ReturnType<typeof newTurn>)) - plain;
  expect(more).toBeGreaterThanOrEqual(tokens);
  // The options themselves are part of the prompt.
  expect(more).toBeLessThan(tokens + 200);
});

test('what the model said beside the text, and what it counted, comes with the answer', async () => {
  const turn = newTurn();
  const opened = await open(setting.newProcess(), turn);
  const [call] = await setting.simulator.calls();
  expect(opened).toMatchObject({
    finishReason: 'stop',
    usage: { promptTokens: call?.promptTokens, completionTokens: call?.completionTokens, cachedPromptTokens: 0 },
  });
});

test('a step that comes again while its call runs joins it, and afterwards gets the same answer', async () => {
  await setting.simulator.setBehaviour(primaryModel, { latency: { kind: 'fixed', ms: 100 } });
  const process = setting.newProcess();
  const turn = newTurn();
  const [first, again] = await Promise.all([open(process, turn), open(process, turn)]);
  const later = await open(process, turn);
  expect(first.kind).toBe('answered');
  for (const other of [again, later]) expect(other).toMatchObject({ kind: 'answered', model: primaryModel });
  expect(await callIds()).toEqual([`${turn.turnId}.1`]);
  expect(await statesOf(turn.turnId)).toEqual(['settled']);
});

test('a step that comes again in another process makes a call of its own, and the earlier one stays in the ledger', async () => {
  await setting.simulator.setBehaviour(primaryModel, { latency: { kind: 'fixed', ms: 300 } });
  const turn = newTurn();
  const lostProcess = open(setting.newProcess(), turn);
  await callBegan(setting);
  await open(setting.newProcess(), turn);
  expect(await callIds()).toEqual([`${turn.turnId}.1`, `${turn.turnId}.2`]);
  // The process was not lost but slow: what its call cost becomes known after all.
  await lostProcess;
  expect(await statesOf(turn.turnId)).toEqual(['settled', 'settled']);
});

test('a cancelled step lets its call go on to the end and settles it', async () => {
  await setting.simulator.setBehaviour(primaryModel, { latency: { kind: 'fixed', ms: 300 } });
  const turn = newTurn();
  const environment = newEnvironment();
  const process = setting.newProcess();
  const opened = inActivity(() => process.openTurn(turn), environment);
  await callBegan(setting);
  environment.cancel();
  await opened;
  expect((await setting.simulator.calls()).map((call) => call.outcome)).toEqual(['answered']);
  expect(await statesOf(turn.turnId)).toEqual(['settled']);
});

test('a failed first call is handed to the workflow with the delay before the next', async () => {
  await setting.simulator.queueFaults(primaryModel, [faults.rateLimited({ 'retry-after-ms': '1500' })]);
  const turn = newTurn();
  expect(await open(setting.newProcess(), turn)).toMatchObject({
    kind: 'admitted',
    firstCall: { kind: 'failed', retryDelayMs: 1500, failure: { kind: 'rate-limited', httpStatus: 429 } },
  });
  expect(await statesOf(turn.turnId)).toEqual(['released']);
});

test('while nothing is bought a lost ledger fails the step, so that Temporal tries it again', async () => {
  const process = setting.newProcess(ledgerWith(setting.ledger, { admit: lost }));
  await expect(open(process, newTurn())).rejects.toThrow('The ledger is lost.');
  expect(await callIds()).toEqual([]);
});

test('an answer whose ledger is lost is handed to the workflow, which records it', async () => {
  const process = setting.newProcess(ledgerWith(setting.ledger, { recordTurn: lost }));
  const turn = newTurn();
  const opened = await open(process, turn);
  expect(opened).toMatchObject({ kind: 'admitted', firstCall: { kind: 'answered' } });
  expect(await statesOf(turn.turnId)).toEqual(['reserved']);
});

test('a call that was begun and lost its ledger is never made again under its number', async () => {
  let isLost = true;
  const ledger = ledgerWith(setting.ledger, {
    settleAttempt: (...settlement) => {
      if (!isLost) return setting.ledger.settleAttempt(...settlement);
      isLost = false;
      return lost();
    },
  });
  await setting.simulator.queueFaults(primaryModel, [faults.serverError()]);
  const process = setting.newProcess(ledger);
  const turn = newTurn();
  const opened = await open(process, turn);
  if (opened.kind !== 'admitted') throw new Error(`The turn ended as ${opened.kind}.`);
  expect(opened.firstCall).toBeNull();

  const outcome = await inActivity(() => process.callModelInTask(callOf(turn, opened.admission)));
  expect(outcome).toMatchObject({ kind: 'answered', settlement: { attempt: 2 } });
  expect(await callIds()).toEqual([`${turn.turnId}.1`, `${turn.turnId}.2`]);
  expect(await statesOf(turn.turnId)).toEqual(['unconfirmed', 'reserved']);
});

test('a turn whose API key has no budget left is refused', async () => {
  const keyId = unique('key');
  const key = { id: keyId, name: 'bot', role: 'chat', secretHash: 'x', models: null, requestsPerMinute: null } as const;
  const limits = { dayNanoUsd: null, totalNanoUsd: 500_000, createdAtMs: Date.now(), expiresAtMs: null };
  await setting.ledger.keys.create({ ...key, ...limits });
  const process = setting.newProcess();
  await setting.simulator.queueFaults(primaryModel, [{ kind: 'html' }]);
  // The first call may have cost its reservation; the key has less than another one left.
  const turn = { ...newTurn(), keyId };
  const opened = await open(process, turn);
  if (opened.kind !== 'admitted') throw new Error(`The turn ended as ${opened.kind}.`);
  await expect(open(process, { ...newTurn(), keyId })).resolves.toMatchObject({ kind: 'refused', scope: 'key' });
  const again = callOf(turn, opened.admission, { keyId, ticket: null });
  await expect(inActivity(() => process.callModelInTask(again))).resolves.toMatchObject({
    failure: { kind: 'budget', message: 'API key budget exceeded' },
  });
  await expect(open(process, newTurn())).resolves.toMatchObject({ kind: 'answered' });
});

test('a target that became slow of late gets its next first call as a regular activity', async () => {
  // Over the 4 s that a first call in the workflow task may usually take; twenty calls are enough to know it.
  await setting.simulator.setBehaviour(primaryModel, { latency: { kind: 'fixed', ms: 4_100 } });
  const process = setting.newProcess();
  const opened = await Promise.all(Array.from({ length: 20 }, () => open(process, newTurn())));
  expect(opened.every(({ kind }) => kind === 'answered')).toBe(true);
  // Streams are another measure: of those nothing is known yet.
  const streamed = { ...newTurn(), delivery: 'streamed' } as const;
  expect(await open(process, streamed)).toMatchObject({ kind: 'answered' });
  expect(await open(process, newTurn())).toMatchObject({
    kind: 'admitted',
    firstCall: null,
    admission: {
      targets: [
        { name: 'holysheep-primary', firstAttempt: 'regular' },
        { name: 'holysheep-fallback', model: fallbackModel, firstAttempt: 'local' },
      ],
    },
  });
});
