import { statusLines } from '../../src/cli/rollout/status';
import type { UserEvidence } from '../../src/contract/user-evidence';
import { statusAsJson } from '../../src/operator/status-json';
import type { RolloutView } from '../../src/operator/view';
import { warningsOf } from '../../src/operator/warnings';
import { provenByUsers, tally, UserRollout, userSpec } from '../domain/rollout/given-users';
import { hourMs, startedAtMs } from '../domain/rollout/given';

/** A rollout in its first hour, with a workflow. */
function viewOf(changes: Partial<UserEvidence>, { spec, state } = new UserRollout()): RolloutView {
  const atMs = startedAtMs + hourMs / 2;
  const { name: rollout, baselineArm, canaryArm } = spec;
  const split = { rollout, baselineArm, canaryArm, percent: 10, bake: 1, active: true, rescue: true, salt: null };
  return {
    atMs,
    spec,
    state,
    split,
    traffic: [],
    trafficSinceMs: startedAtMs,
    evidence: provenByUsers(state, atMs, changes),
    outlook: null,
    workflow: 'running',
    recordingFailure: null,
    analysisDueAtMs: atMs + 1_000,
  };
}

const codesOf = (view: RolloutView) => warningsOf(view).map(({ code }) => code);

describe('few users', () => {
  it.each([
    [1, /^All 500 turns of this bake come from one user\..*send each end user's own id as `user`/],
    [19, /^All 500 turns of this bake come from 19 users\./],
  ])('are warned of when all turns come from %d', (users, message) => {
    const view = viewOf({ canary: tally(0, { turns: 0 }), baseline: tally(users, { turns: 500 }) });
    expect(warningsOf(view)).toEqual([{ code: 'few-users', message: expect.stringMatching(message) as string }]);
    expect(statusLines(view, false).join('\n')).toMatch(/ {2}! All 500 turns/);
  });

  it('are no reason for a warning with 20 users, or before there are turns enough to say', () => {
    expect(codesOf(viewOf({ canary: tally(2), baseline: tally(18, { turns: 500 }) }))).toEqual([]);
    expect(codesOf(viewOf({ canary: tally(1, { turns: 29 }), baseline: tally(3, { turns: 270 }) }))).toEqual([]);
  });
});

it('the status tells what guards find that only report', () => {
  const reporting = new UserRollout(userSpec({}, { guards: { feedback: 'report' } }));
  const view = viewOf({ canary: tally(1_000, { unhappyUsers: 30 }) }, reporting);
  const finding = /More users of holysheep are unhappy with an answer: holysheep 30 of 1000 users/;
  expect(statusLines(view, false).join('\n')).toMatch(new RegExp(`Only reported: ${finding.source}`));
  expect(statusAsJson(view)).toMatchObject({ evidence: { reported: [expect.stringMatching(finding)] } });
  expect(statusLines(viewOf({}, reporting), false).join('\n')).not.toContain('Only reported');
});
