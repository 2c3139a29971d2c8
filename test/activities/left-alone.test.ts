import { faults } from '../../src/local/simulator/behaviour';
import { fallbackModel, primaryModel } from '../support/service';
import { callOf, inActivity, newTurn, open, prepareSetting, type Setting } from './setting';

let setting: Setting;
beforeAll(async () => {
  setting = await prepareSetting({ configuration: { breaker: { failures: 2, halfOpenAfterMs: 600_000 } } });
});
afterAll(() => setting.stop());
beforeEach(async () => {
  await setting.simulator.clearCalls();
  await setting.simulator.setBehaviour('*', { alwaysFault: null });
});

const callIds = async () => (await setting.simulator.calls()).map(({ requestId }) => requestId);

test('a target that failed too often is not asked: its row is released, and the next target comes at once', async () => {
  const process = setting.newProcess();
  await setting.simulator.setBehaviour(primaryModel, { alwaysFault: faults.serverError() });
  const first = await open(process, newTurn());
  expect(first).toMatchObject({ firstCall: { kind: 'failed', retryDelayMs: expect.any(Number) as number } });
  // The second failure opens the circuit, so that waiting for another try would be in vain.
  expect(await open(process, newTurn())).toMatchObject({ firstCall: { retryDelayMs: null } });

  await setting.simulator.clearCalls();
  const turn = newTurn();
  const opened = await open(process, turn);
  if (opened.kind !== 'admitted') throw new Error(`The turn ended as ${opened.kind}.`);
  expect(opened.firstCall).toMatchObject({ failure: { kind: 'circuit-open' }, retryDelayMs: null });
  const rows = await setting.ledger.attempts(turn.turnId);
  expect(rows).toMatchObject([{ state: 'released', outcome: 'circuit-open', costNanoUsd: 0 }]);
  expect(await callIds()).toEqual([]);

  const target = opened.admission.targets[1]!;
  const next = callOf(turn, opened.admission, { target, ticket: null });
  await expect(inActivity(() => process.callModelInTask(next))).resolves.toMatchObject({ kind: 'answered' });
  expect(await callIds()).toEqual([`${turn.turnId}.2`]);
});

test('a further target that is left alone leaves no row, and another worker knows nothing of it', async () => {
  const process = setting.newProcess();
  await setting.simulator.setBehaviour(fallbackModel, { alwaysFault: faults.serverError() });
  const failing = { ...newTurn(), model: fallbackModel };
  await open(process, failing);
  await open(process, { ...newTurn(), model: fallbackModel });

  const turn = newTurn();
  const opened = await open(process, { ...turn, model: fallbackModel });
  if (opened.kind !== 'admitted') throw new Error(`The turn ended as ${opened.kind}.`);
  const again = callOf(turn, opened.admission, { ticket: null });
  await expect(inActivity(() => process.callModelInTask(again))).resolves.toMatchObject({
    kind: 'failed',
    failure: { kind: 'circuit-open' },
  });
  expect(await setting.ledger.attempts(turn.turnId)).toHaveLength(1);

  await setting.simulator.setBehaviour(fallbackModel, { alwaysFault: null });
  const elsewhere = await open(setting.newProcess(), { ...newTurn(), model: fallbackModel });
  expect(elsewhere).toMatchObject({ kind: 'answered', target: 'holysheep-fallback' });
});

test('what the provider refuses in clear words leaves it as it is', async () => {
  const process = setting.newProcess();
  await setting.simulator.queueFaults(
    primaryModel,
    Array.from({ length: 5 }, () => faults.contextLength()),
  );
  for (let turn = 0; turn < 5; turn += 1) await open(process, newTurn());
  await expect(open(process, newTurn())).resolves.toMatchObject({ kind: 'answered', target: 'holysheep-primary' });
});
