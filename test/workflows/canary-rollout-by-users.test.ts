import { eventually } from '../support/eventually';
import { eachTestWithRollouts } from '../support/rollout-hooks';
import { rolloutResult } from '../support/rollout-result';
import { shortRolloutSpec, unhurriedRolloutSpec } from '../support/rollout-spec';
import { ofUsers } from '../../src/domain/rollout/evidence';
import { userEvidenceRequestOf } from '../../src/domain/rollout/state-by-users';
import type { RolloutEntry, RolloutSpec } from '../../src/contract/rollout';

const rollouts = eachTestWithRollouts();

/** A few closed users decide, and a user is closed soon. */
const byUsers = (spec: RolloutSpec): RolloutSpec => ({
  ...spec,
  rule: 2,
  gates: { ...spec.gates, userWindowMs: 200, longestCallMs: 200 },
});

test('goes to 100% by the evidence of users, and everybody can recompute why', async () => {
  const spec = byUsers(shortRolloutSpec({ languages: ['zh'] }));
  const slowly = { ...spec, gates: { ...spec.gates, longestCallMs: 10_000 } };
  const { goOn } = rollouts.stopBefore('evidence');
  const handle = await rollouts.begin(slowly);
  await rollouts.service.sendTurns(40);
  const { rollouts: ledger } = rollouts.service.ledger;
  const { state } = await rollouts.service.rollouts.status(spec.name);
  const request = userEvidenceRequestOf(slowly, state);
  await eventually('the users of the canary are closed', async () => {
    const { closed, canary } = await ledger.userEvidence(request);
    return canary.users > 0 && closed.reduce((sum, { users }) => sum + users, 0) === canary.users;
  });
  goOn();

  const { phase, reached } = await rolloutResult(handle);
  expect({ phase, percents: reached.map(({ percent }) => percent) }).toEqual({
    phase: 'Succeeded',
    percents: [50, 100],
  });
  const [start, advance] = (await ledger.auditTrail(spec.name)).map(({ entry }) => JSON.parse(entry) as RolloutEntry);
  expect(start).toMatchObject({ limits: { callMs: null, firstTokenMs: null }, decision: { action: 'start' } });
  expect(advance).toMatchObject({ evidence: { rule: 2, bake: 1 }, decision: { action: 'advance' } });
  expect(await rollouts.service.auditProblem()).toBeNull();
});

test('counts nothing of a period that an operator excludes', async () => {
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

test('refuses to exclude a period that is to come, or for no reason', async () => {
  const spec = byUsers(unhurriedRolloutSpec());
  await rollouts.begin(spec);
  const command = (input: object) =>
    rollouts.service.rollouts.command(spec.name, 'exclude', { actor: 'ann', ...input });
  const fromMs = Date.now();
  await expect(command({ fromMs, toMs: fromMs + 1 })).rejects.toThrow('reason must say why this period does not count');
  const future = { fromMs, toMs: fromMs + 3_600_000, reason: 'maintenance' };
  expect(await command(future)).toMatchObject({
    accepted: false,
    reason: expect.stringMatching(/^toMs: must not be in the future/),
  });
});
