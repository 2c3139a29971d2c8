import { eventually } from '../support/eventually';
import { eachTestWithRollouts, resultOf } from '../support/rollout-hooks';
import { shortRolloutSpec, unhurriedRolloutSpec } from '../support/rollout-spec';
import { ofUsers } from '../../src/domain/rollout/evidence';
import type { RolloutSpec } from '../../src/contract/rollout';

const rollouts = eachTestWithRollouts();

/** A few closed users decide, and a user is closed soon. */
const byUsers = (spec: RolloutSpec): RolloutSpec => ({
  ...spec,
  rule: 2,
  gates: { ...spec.gates, userWindowMs: 200, longestCallMs: 200 },
});

test('goes to 100% by the evidence of users, and everybody can recompute why', async () => {
  const spec = byUsers(shortRolloutSpec({ languages: ['zh'] }));
  const handle = await rollouts.beginWithEvidence({ ...spec, rule: 2 });
  await new Promise((resolve) => setTimeout(resolve, 8000));
  const rows = await rollouts.service.ledger.rollouts.auditTrail(spec.name);
  console.log(rows.map((row) => `${row.sequence} ${row.action}: ${row.reason}`).slice(0, 6).join('\n'));
  const { phase, reached } = await resultOf(handle);
  expect({ phase, percents: reached.map(({ percent }) => percent) }).toEqual({
    phase: 'Succeeded',
    percents: [50, 100],
  });
  const { lastAnalysis } = await rollouts.service.rollouts.status(spec.name);
  expect(lastAnalysis?.evidence).toMatchObject({ rule: 2 });
  expect(await rollouts.service.auditProblem()).toBeNull();
});

test('counts nothing of a time that an operator excludes', async () => {
  const spec = byUsers(unhurriedRolloutSpec());
  await rollouts.beginWithEvidence(spec);
  const canaryUsers = async () =>
    ofUsers((await rollouts.service.rollouts.status(spec.name)).lastAnalysis?.evidence ?? null)?.canary.users;
  await eventually('an analysis saw users', async () => ((await canaryUsers()) ?? 0) > 0);
  const { state } = await rollouts.service.rollouts.status(spec.name);
  const window = { fromMs: state.startedAtMs - 1000, toMs: Date.now() };
  const answer = await rollouts.service.rollouts.command(spec.name, 'exclude', {
    actor: 'ann',
    reason: 'outage of the network',
    ...window,
  });
  expect(answer).toMatchObject({ accepted: true, state: { byUsers: { excluded: [window] } } });
  await eventually('an analysis saw none of them', async () => (await canaryUsers()) === 0);
  await rollouts.service.rollouts.command(spec.name, 'rollback', { actor: 'ann' });
  expect(await rollouts.service.auditProblem()).toBeNull();
});

test('refuses to exclude a time that is to come, or for no reason', async () => {
  const spec = byUsers(unhurriedRolloutSpec());
  await rollouts.begin(spec);
  const command = (input: object) =>
    rollouts.service.rollouts.command(spec.name, 'exclude', { actor: 'ann', ...input });
  const fromMs = Date.now();
  await expect(command({ fromMs, toMs: fromMs + 1 })).rejects.toThrow('reason must say why this time does not count');
  const future = { fromMs, toMs: fromMs + 3_600_000, reason: 'maintenance' };
  expect(await command(future)).toMatchObject({
    accepted: false,
    reason: expect.stringMatching(/^toMs: must not be in the future/),
  });
});
