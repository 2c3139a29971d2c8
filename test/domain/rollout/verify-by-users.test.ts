import type { RolloutEntry } from '../../../src/contract/rollout';
import { findWrongDecision } from '../../../src/domain/rollout/verify';
import { tally, UserRollout, userSpec } from './given-users';
import { hourMs, rowOf, startedAtMs } from './given';

function trail(): readonly RolloutEntry[] {
  const rollout = new UserRollout(userSpec({ holdbackPercent: 2, languages: ['zh'] }));
  rollout.follow(20);
  const excluded = { fromMs: startedAtMs + 19 * hourMs, toMs: startedAtMs + 20 * hourMs, reason: 'outage' };
  rollout.command('exclude', 20.5, excluded);
  rollout.look(21, null);
  rollout.look(22, { canary: tally(2_500, { declinedUsers: 60 }), baseline: tally(7_500) });
  rollout.command('resume', 25, { reason: 'meant' });
  rollout.follow(200);
  expect(rollout.state.phase).toBe('Succeeded');
  return rollout.entries;
}

/** The trail with one of its decisions changed. */
function forged(change: (decision: RolloutEntry['decision']) => RolloutEntry['decision'], action: string) {
  const entries = trail();
  const index = entries.findIndex(({ decision }) => decision.action === action);
  const rows = entries.map((entry, at) => rowOf(at === index ? { ...entry, decision: change(entry.decision) } : entry));
  return findWrongDecision(rows);
}

it('recomputes every decision of a rollout under rule 2', () => {
  expect(findWrongDecision(trail().map(rowOf))).toBeNull();
});

it('accepts sentences that another version of the rule words otherwise', () => {
  const reworded = forged(
    (decision) => ({ ...decision, reason: 'Enough.', missing: [], next: { ...decision.next, message: 'Enough.' } }),
    'advance',
  );
  expect(reworded).toBeNull();
});

it.each([
  ['the percentage', 'advance', { percent: 50 }],
  ['the phase', 'advance', { phase: 'Promoting' as const }],
  ['the step', 'advance', { step: 2 }],
  ['the bake', 'advance', { bake: 3 }],
  ['the end', 'finish', { endedAtMs: null }],
])('names a row whose decision does something else: %s', (_, action, change) => {
  const wrong = forged((decision) => ({ ...decision, next: { ...decision.next, ...change } }), action);
  expect(wrong?.problem).toMatch(/the rules give a different decision for its evidence/);
});

it('names a row that counts less as excluded than was', () => {
  const wrong = forged(({ next, ...decision }) => {
    const byUsers = next.byUsers && { ...next.byUsers, excluded: [] };
    return { ...decision, next: byUsers ? { ...next, byUsers } : next };
  }, 'exclude');
  expect(wrong?.problem).toMatch(/the rules give a different decision/);
});
