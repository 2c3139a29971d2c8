import { faults } from '../../src/local/simulator/behaviour';
import { eventually } from '../support/eventually';
import { prepareRolloutService, type RolloutService } from '../support/rollout-service';
import { shortRolloutSpec } from '../support/rollout-spec';
import { primaryModel } from '../support/service';
import { unique } from '../support/temporal';

let service: RolloutService;
beforeAll(async () => {
  service = await prepareRolloutService({ configuration: { breaker: { failures: 1_000 } } });
  await service.startWorker();
});
afterAll(() => service.stop());

test('users of a canary that fails everything get answers all the same, and its failures roll it back', async () => {
  await service.simulator.setBehaviour(primaryModel, { alwaysFault: faults.unknownModel(primaryModel) });
  const spec = shortRolloutSpec({ rescue: true });
  await service.rollouts.start(spec);
  const ask = (_: unknown, index: number) =>
    service.client.complete({
      turnId: unique('turn'),
      userId: `user-${index}`,
      messages: [{ role: 'user', content: 'Where is my order?' }],
    });
  let rescued = 0;
  await eventually('it is rolled back', async () => {
    const replies = await Promise.all(Array.from({ length: 20 }, ask));
    expect(replies.filter(({ success }) => !success)).toEqual([]);
    expect(replies.filter((reply) => reply.canary !== (reply.rescued ?? false))).toEqual([]);
    rescued += replies.filter((reply) => reply.rescued).length;
    return (await service.rollouts.status(spec.name)).state.phase === 'RolledBack';
  });
  expect(rescued).toBeGreaterThan(0);
  const totals = await service.ledger.rollouts.armTotals(spec.name);
  expect(totals.find(({ arm }) => arm === 'holysheep')).toMatchObject({
    turns: rescued,
    successes: 0,
    failures: rescued,
    successfulTurns: 0,
    costNanoUsd: 0,
    rescuedTurns: rescued,
  });
  expect(await service.auditProblem()).toBeNull();
  expect((await Promise.all(Array.from({ length: 20 }, ask))).filter(({ canary }) => canary)).toEqual([]);
});
