import type { OpenTurnInput } from '../../src/contract/turn';
import type { UserEvidence } from '../../src/contract/user-evidence';
import { type Fault, faults } from '../../src/local/simulator/behaviour';
import { readEvidence, startRollout } from '../ledger/user-rollouts';
import { primaryModel } from '../support/service';
import { unique } from '../support/temporal';
import { newTurn, open, prepareSetting, type Setting } from './setting';

const failuresThatOpenACircuit = 8;
const dayMs = 86_400_000;

let setting: Setting;
let rollout: string;
beforeAll(async () => {
  setting = await prepareSetting({ configuration: { breaker: { failures: failuresThatOpenACircuit } } });
});
afterAll(() => setting.stop());
beforeEach(async () => {
  rollout = unique('rollout');
  // All users are on the canary.
  await startRollout(setting.ledger, rollout, {}, 100);
  await failing(null);
});

const failing = (fault: Fault | null) => setting.simulator.setBehaviour(primaryModel, { alwaysFault: fault });

/** A turn of each user, all at once, in one worker process. */
async function ask(users: readonly string[], over: Partial<OpenTurnInput> = {}, process = setting.newProcess()) {
  const turns = users.map((userId) => open(process, { ...newTurn(), userId, ...over }));
  await Promise.all(turns);
}

/** Also when all users are closed. */
async function evidence(): Promise<UserEvidence> {
  return readEvidence(setting.ledger, rollout, { bake: 1, atMs: Date.now() + dayMs });
}

const usersNamed = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${name} ${index}`);
const allOf = (users: number) => ({ users, firstCalls: 0, firstCallFaults: 0, faultyUsers: 0, faults: 0 });

test.each<[string, Fault, Partial<OpenTurnInput>]>([
  ['silence', { kind: 'null-content' }, { modelOptions: { stop: [' ', 'a', 'e', 'i'] } }],
  ['a call that no model can write', { kind: 'null-content', finishReason: 'malformed_function_call' }, {}],
  ['an answer beyond every limit', { kind: 'large-body', bytes: 2_000_000 }, {}],
])('users who ask for %s are declined users and no faults of the arm', async (_, fault, over) => {
  await failing(fault);
  await ask(usersNamed('invented', 50), over);
  const { canary, closed } = await evidence();
  expect(canary).toMatchObject({ ...allOf(50), declinedUsers: 50, declined: 50 });
  expect(closed).toEqual([]);
});

test('what nobody can ask for is a fault of the arm, whatever the request asks for', async () => {
  await failing({ kind: 'no-choices' });
  await ask(usersNamed('user', 3), { modelOptions: { stop: ['a'] } });
  expect((await evidence()).canary).toMatchObject({ users: 3, firstCallFaults: 3, faultyUsers: 3, declinedUsers: 0 });
});

test('a circuit that one user opens is a fault of others only where the canary must prove itself', async () => {
  const process = setting.newProcess();
  await failing(faults.serverError());
  await ask(
    usersNamed('', failuresThatOpenACircuit).map(() => 'one'),
    {},
    process,
  );
  await failing(null);
  await ask(usersNamed('other', 10), {}, process);
  const { canary, closed } = await evidence();
  expect(canary).toMatchObject({ users: 11, firstCalls: 1, firstCallFaults: 1, faultyUsers: 1, declinedUsers: 0 });
  expect(closed).toEqual([
    { calls: 1, failed: 1, users: 10 },
    { calls: failuresThatOpenACircuit, failed: failuresThatOpenACircuit, users: 1 },
  ]);
});
