import { ActivityCancellationDetails, ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../src/activities/create-activities';
import type { CallFailure } from '../../src/contract/failures';
import type { ModelCallInput } from '../../src/contract/turn';
import { faults } from '../../src/local/simulator/behaviour';
import { holdTimers } from '../support/held-timers';
import { primaryModel } from '../support/service';
import {
  admit,
  callBegan,
  callOf,
  inActivity,
  newEnvironment,
  newTurn,
  prepareSetting,
  regularFirst,
  type Setting,
} from './setting';

let setting: Setting;
let activities: Activities;
beforeAll(async () => {
  setting = await prepareSetting({ configuration: regularFirst });
});
afterAll(() => setting.stop());
beforeEach(async () => {
  // One that remembers no failures of the target.
  activities = setting.newProcess();
  await setting.simulator.clearCalls();
  await setting.simulator.setBehaviour('*', { alwaysFault: null });
});

async function newCall(changes: Partial<ModelCallInput> = {}): Promise<ModelCallInput> {
  const turn = newTurn();
  return callOf(turn, await admit(activities, turn), changes);
}

const call = (input: ModelCallInput, attempt = 1) =>
  inActivity(() => activities.callModel(input), newEnvironment(attempt));
const statesOf = async ({ turnId }: ModelCallInput) =>
  (await setting.ledger.attempts(turnId)).map(({ state, outcome }) => `${state} ${outcome}`);
const callIds = async () => (await setting.simulator.calls()).map(({ requestId }) => requestId);

async function failureOf(running: Promise<unknown>): Promise<ApplicationFailure> {
  const error: unknown = await running.catch((caught: unknown) => caught);
  if (!(error instanceof ApplicationFailure)) throw new Error('The call did not fail as an ApplicationFailure.');
  expect(error.type).toBe('ModelCallFailed');
  return error;
}

const kindOf = (failure: ApplicationFailure) => (failure.details?.[0] as CallFailure | undefined)?.kind;

test('the first attempt uses the reservation of the admission, whichever process makes it', async () => {
  const input = await newCall();
  const answer = await inActivity(() => setting.newProcess().callModel(input));
  expect(answer.settlement).toMatchObject({ attempt: 1, state: 'settled', outcome: 'answered' });
  expect(await callIds()).toEqual([`${input.turnId}.1`]);
});

test('a second attempt reserves anew, and the lost one before it may have cost its reservation', async () => {
  const input = await newCall();
  const answer = await call(input, 2);
  expect(answer.settlement.attempt).toBe(2);
  expect(await statesOf(input)).toEqual(['unconfirmed null', 'reserved null']);
});

test('a local call does not use the reservation of another process', async () => {
  const input = await newCall();
  const outcome = await inActivity(() => setting.newProcess().callModelInTask(input));
  expect(outcome).toMatchObject({ kind: 'answered', settlement: { attempt: 2 } });
});

test('429 is thrown with the delay that the provider asked for', async () => {
  await setting.simulator.queueFaults(primaryModel, [faults.rateLimited({ 'retry-after': '2' })]);
  const input = await newCall();
  const failure = await failureOf(call(input));
  expect(failure).toMatchObject({ nonRetryable: false, nextRetryDelay: 2_000 });
  expect(kindOf(failure)).toBe('rate-limited');
  expect(await statesOf(input)).toEqual(['released rate-limited']);
});

test('5xx is thrown with the delay of the schedule', async () => {
  await setting.simulator.queueFaults(primaryModel, [faults.serverError(), faults.serverError()]);
  const first = await failureOf(call(await newCall()));
  const second = await failureOf(call(await newCall(), 2));
  expect(Number(first.nextRetryDelay)).toBeGreaterThanOrEqual(1_000);
  expect(Number(first.nextRetryDelay)).toBeLessThanOrEqual(2_000);
  expect(Number(second.nextRetryDelay)).toBeGreaterThanOrEqual(2_000);
  expect(Number(second.nextRetryDelay)).toBeLessThanOrEqual(3_000);
});

test('calls that were made before count: after the last of them there is no other', async () => {
  await setting.simulator.queueFaults(primaryModel, [faults.serverError(), faults.serverError()]);
  expect(await failureOf(call(await newCall({ earlierCalls: 1 }), 2))).toMatchObject({ nonRetryable: true });
  expect(await failureOf(call(await newCall({ earlierCalls: 1 }), 1))).toMatchObject({ nonRetryable: false });
});

test('what no repetition can mend is not retryable', async () => {
  await setting.simulator.queueFaults(primaryModel, [faults.contextLength()]);
  const failure = await failureOf(call(await newCall()));
  expect(failure.nonRetryable).toBe(true);
  expect(kindOf(failure)).toBe('context-length');
});

test('an answer without usage counts at its reservation, as unconfirmed', async () => {
  await setting.simulator.queueFaults(primaryModel, [{ kind: 'no-usage' }]);
  const input = await newCall();
  const { settlement } = await call(input);
  expect(settlement).toMatchObject({
    state: 'unconfirmed',
    usage: null,
    costNanoUsd: input.ticket?.reservedNanoUsd,
  });
});

test('after the deadline no call is made and nothing is charged', async () => {
  const input = await newCall({ deadlineAtMs: Date.now() - 1 });
  const failure = await failureOf(call(input));
  expect(failure.nonRetryable).toBe(true);
  expect(failure.message).toContain('deadline');
  expect(await callIds()).toEqual([]);
  expect(await statesOf(input)).toEqual(['released timeout']);
});

test('the deadline cuts a call short, and no retry is promised that could not be kept', async () => {
  await setting.simulator.queueFaults(primaryModel, [{ kind: 'silence' }]);
  const deadlineAtMs = Date.now() + 40_000;
  const input = await newCall({ deadlineAtMs });
  const timers = holdTimers();
  try {
    const running = call(input);
    await callBegan(setting);
    // The time of the call, which is what was left until the deadline. Nothing else waits for so long.
    const [timer] = timers.lengths().filter((ms) => ms > 20_000 && ms <= 40_000);
    jest.spyOn(Date, 'now').mockReturnValue(deadlineAtMs);
    timers.pass(timer!);
    const failure = await failureOf(running);
    expect(failure.nonRetryable).toBe(true);
    expect(kindOf(failure)).toBe('timeout');
    expect(await statesOf(input)).toEqual(['unconfirmed timeout']);
  } finally {
    jest.restoreAllMocks();
    timers.release();
  }
});

test('a call that a user cancels is broken off and ends the target', async () => {
  await setting.simulator.queueFaults(primaryModel, [{ kind: 'silence' }]);
  const input = await newCall();
  const environment = newEnvironment();
  const running = inActivity(() => activities.callModel(input), environment);
  await callBegan(setting);
  environment.cancel();
  const failure = await failureOf(running);
  expect(failure.nonRetryable).toBe(true);
  expect(kindOf(failure)).toBe('cancelled');
  expect(await statesOf(input)).toEqual(['unconfirmed cancelled']);
});

test('a worker that stops is not a user who cancels: another worker tries at once', async () => {
  await setting.simulator.queueFaults(primaryModel, [{ kind: 'silence' }]);
  const input = await newCall();
  const environment = newEnvironment();
  const running = inActivity(() => activities.callModel(input), environment);
  await callBegan(setting);
  environment.cancel('WORKER_SHUTDOWN', new ActivityCancellationDetails({ workerShutdown: true }));
  expect(await failureOf(running)).toMatchObject({ nonRetryable: false, nextRetryDelay: 0 });
});

test('a further attempt that no budget is left for ends the target without a call', async () => {
  const dayUsd = 0.0006; // one reservation of $0.0004, not two
  const poor = await prepareSetting({ configuration: { ...regularFirst, budgets: { dayUsd } } });
  try {
    const process = poor.newProcess();
    const turn = newTurn();
    const input = callOf(turn, await admit(process, turn));
    await poor.simulator.queueFaults(primaryModel, [{ kind: 'html' }]);
    await failureOf(inActivity(() => process.callModel(input)));
    const failure = await failureOf(inActivity(() => process.callModel(input), newEnvironment(2)));
    expect(failure).toMatchObject({ nonRetryable: true, message: 'holysheep-primary: Daily budget exceeded' });
    expect(kindOf(failure)).toBe('budget');
    expect(await poor.simulator.calls()).toHaveLength(1);
  } finally {
    await poor.stop();
  }
});

test('a worker whose configuration lacks the target says so', async () => {
  const input = await newCall();
  const unknown = { ...input, target: { ...input.target, name: 'removed' } };
  await expect(call(unknown)).rejects.toThrow('was admitted with target removed of provider holysheep');
});
