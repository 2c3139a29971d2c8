import type { RolloutSpec } from '../../../src/contract/rollout';
import { advanceRollout } from '../../../src/domain/rollout/advance-rollout';
import { replayProblem, replayRollout } from '../../../src/domain/rollout/replay';
import { arm, hourMs, provenAt, specWith, startedAtMs } from './given';
import { evenCost, tally, UserRollout, userSpec } from './given-users';

/** Held by its cost after 20 hours at 25%, resumed by an operator, and promoted to the end. */
function heldByCost(): UserRollout {
  const rollout = new UserRollout();
  rollout.follow(19);
  rollout.look(20, { canary: tally(2_500, { cost: evenCost(2_500, 1_200) }), baseline: tally(7_500) });
  rollout.command('resume', 22, { reason: 'the price is known' });
  rollout.follow(200);
  expect(rollout.state.phase).toBe('Succeeded');
  return rollout;
}

const withGates = (spec: RolloutSpec, gates: Partial<RolloutSpec['gates']>): RolloutSpec => ({
  ...spec,
  gates: { ...spec.gates, ...gates },
});

it('decides everything as recorded under the same spec', () => {
  const { entries, spec } = heldByCost();
  const { decisions, firstDivergence } = replayRollout(entries, spec);
  expect(firstDivergence).toBeNull();
  expect(decisions).toHaveLength(entries.length);
  expect(decisions.every(({ agrees, counterfactual }) => agrees && !counterfactual)).toBe(true);
});

it('tells the first divergence, and that what follows is counterfactual', () => {
  const { entries, spec } = heldByCost();
  const { decisions, firstDivergence } = replayRollout(entries, withGates(spec, { maxCostPercent: 150 }));
  expect(firstDivergence).toMatchObject({
    recorded: { action: 'hold' },
    replayed: { action: 'wait' },
    counterfactual: false,
  });
  const after = decisions.filter(({ sequence }) => sequence > (firstDivergence?.sequence ?? 0));
  expect(after.every(({ counterfactual }) => counterfactual)).toBe(true);
  expect(after[0]).toMatchObject({ command: 'resume', replayed: { action: 'refuse' } });
  expect(after.at(-1)?.replayed).toMatchObject({ action: 'finish', phase: 'Succeeded', percent: 100 });
});

it('decides on from evidence of the recorded split after a divergence', () => {
  const rollout = new UserRollout();
  rollout.follow(80);
  const steps = rollout.spec.steps.map((step) => ({ ...step, minimumUsers: 1_500 }));
  const { decisions, firstDivergence } = replayRollout(rollout.entries, { ...rollout.spec, steps });
  expect(firstDivergence).toMatchObject({ recorded: { percent: 25 }, replayed: { action: 'wait', percent: 10 } });
  // The recorded split sends more users to the canary by then.
  expect(decisions.at(-1)?.replayed.percent).toBeGreaterThan(10);
});

it('counts slow calls anew for another latency limit', () => {
  const rollout = new UserRollout();
  const latencies = [
    [300, 900],
    [450, 60],
    [700, 40],
  ] as const;
  rollout.look(10, { canary: tally(1_000, { latencies, slowUsers: 100 }) });
  expect(rollout.state.phase).toBe('Held');
  // The limit is 400 ms: at 110% above 440 ms, at 150% above 600 ms, at 200% above 800 ms.
  const replayed = (maxLatencyPercent: number) =>
    replayRollout(rollout.entries, withGates(rollout.spec, { maxLatencyPercent })).decisions.at(-1)?.replayed;
  expect(replayed(150)).toMatchObject({ action: 'hold', reason: expect.stringMatching(/40 of 1000 users/) });
  expect(replayed(200)).toMatchObject({ action: 'wait' });
});

it('replays rollouts that count requests, too', () => {
  const spec = specWith();
  const startedAt = { atMs: startedAtMs, evidence: null, command: null };
  const start = advanceRollout(spec, null, startedAt);
  const atMs = startedAtMs + 18 * hourMs;
  const canary = arm(1000, 1, { users: 100, costNanoUsd: 9e9 });
  const seen = { atMs, evidence: provenAt(start.next, atMs, { canary }), command: null };
  const held = advanceRollout(spec, start.next, seen);
  const entries = [
    { spec, ...startedAt, decision: start },
    { spec, ...seen, decision: held },
  ];
  expect(replayRollout(entries, spec).firstDivergence).toBeNull();
  const { firstDivergence } = replayRollout(entries, specWith({}, { maxCostPercent: null }));
  expect(firstDivergence).toMatchObject({ recorded: { action: 'hold' }, replayed: { action: 'advance' } });
});

it.each([
  ['another arm', { canaryArm: 'other' }, {}, /^must stay as recorded \(holysheep\)/],
  ['another cap per user', {}, { maxRequestsPerUser: 3 }, /^must stay as recorded \(50\)/],
  ['another window', {}, { userWindowMs: 60_000 }, /^must stay as recorded \(not set\)/],
])('says that the evidence cannot tell about %s', (_, fields, gates, message) => {
  expect(replayProblem(userSpec(), userSpec(fields, gates))?.message).toMatch(message);
});

it('cannot count slow requests anew under rule 1', () => {
  expect(replayProblem(specWith(), specWith({}, { maxLatencyPercent: 150 }))?.path).toEqual([
    'gates',
    'maxLatencyPercent',
  ]);
  expect(replayProblem(specWith(), specWith({}, { maxLatencyPercent: null }))).toBeNull();
  expect(replayProblem(userSpec(), userSpec({}, { maxLatencyPercent: 150 }))).toBeNull();
});
