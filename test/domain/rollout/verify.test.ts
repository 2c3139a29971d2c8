import type { Evidence, RolloutCommand, RolloutEntry, RolloutSpec, RolloutState } from '../../../src/contract/rollout';
import { advanceRollout } from '../../../src/domain/rollout/advance-rollout';
import { defaultRolloutGates, rolloutPlans } from '../../../src/domain/rollout/plans';
import { type AuditedDecision, findWrongDecision } from '../../../src/domain/rollout/verify';

const hourMs = 60 * 60 * 1000;
const spec: RolloutSpec = {
  name: 'november',
  baselineArm: 'legacy',
  canaryArm: 'holysheep',
  ...rolloutPlans['72h'],
  gates: defaultRolloutGates,
  freezeWindows: [],
  takeOver: false,
  actor: 'ann',
};

function evidence(bake: number, atMs: number, successes: number): Evidence {
  const arm = {
    turns: successes,
    users: successes,
    successes,
    failures: 0,
    latencyMeanMs: 180,
    latencyP95Ms: 400,
    successfulTurns: successes,
    costNanoUsd: successes * 1000,
  };
  return {
    atMs,
    bake,
    canarySuccesses: successes,
    canaryFailures: 0,
    baseline: { ...arm, users: successes * 9 },
    canary: arm,
    canaryTimedCalls: successes,
    canarySlowCalls: 0,
    newestCanaryAtMs: atMs,
  };
}

/** Start, wait, advance, pause with half a surrogate pair and a NUL in its reason, rollback. */
function trail(): RolloutEntry[] {
  let state: RolloutState | null = null;
  const command = (name: RolloutCommand['name']): RolloutCommand => ({ name, actor: 'bob', reason: 'so \uD800\0' });
  const occasions = [
    { atMs: 0, evidence: null, command: null },
    { atMs: hourMs, evidence: evidence(1, hourMs, 500), command: null },
    { atMs: 18 * hourMs, evidence: evidence(1, 18 * hourMs, 1500), command: null },
    { atMs: 19 * hourMs, evidence: null, command: command('pause') },
    { atMs: 20 * hourMs, evidence: null, command: command('rollback') },
  ];
  return occasions.map((occasion) => {
    const decision = advanceRollout(spec, state, occasion);
    state = decision.next;
    return { spec, ...occasion, decision };
  });
}

function rowOf(entry: RolloutEntry): AuditedDecision {
  const { decision, command, atMs } = entry;
  const stored = (text: string): string => Buffer.from(text, 'utf8').toString('utf8').replaceAll('\0', '\u{FFFD}');
  return {
    rollout: entry.spec.name,
    sequence: decision.next.sequence,
    atMs,
    actor: command?.actor ?? (decision.action === 'start' ? 'ann' : 'bellwether'),
    action: decision.action,
    reason: stored(decision.reason),
    entry: JSON.stringify(entry),
  };
}

/** With one entry forged under the columns that stood there. */
function forged(index: number, forge: (entry: RolloutEntry) => unknown): AuditedDecision[] {
  return trail().map((entry, at) => {
    const row = rowOf(entry);
    if (at !== index) return row;
    const changed = forge(entry) as RolloutEntry;
    return { ...row, atMs: changed.atMs ?? row.atMs, entry: JSON.stringify(changed) };
  });
}

describe('the verdicts of an audit trail', () => {
  it('follow from their evidence', () => {
    expect(trail().map(({ decision }) => decision.action)).toEqual(['start', 'wait', 'advance', 'pause', 'roll-back']);
    expect(findWrongDecision(trail().map(rowOf))).toBeNull();
  });

  it('may have their fields in any order', () => {
    const reversed = (value: unknown): unknown =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(
            Object.entries(value)
              .toReversed()
              .map(([key, part]) => [key, reversed(part)]),
          )
        : value;
    const rows = trail().map((entry) => ({ ...rowOf(entry), entry: JSON.stringify(reversed(entry)) }));
    expect(findWrongDecision(rows)).toBeNull();
  });

  it.each([
    [
      'evidence that was not enough',
      (e: RolloutEntry) => ({ ...e, evidence: evidence(1, e.atMs, 900) }),
      /give a different decision.*wait/,
    ],
    ['no evidence', (e: RolloutEntry) => ({ ...e, evidence: null }), /give a different decision/],
    [
      'evidence that nothing follows from',
      (e: RolloutEntry) => ({ ...e, evidence: { bake: 1 } }),
      /different decision/,
    ],
    [
      'looser gates',
      (e: RolloutEntry) => ({ ...e, spec: { ...spec, intervalMs: 1 } }),
      /differs from the one that the rollout started with/,
    ],
    [
      'more than one step',
      (e: RolloutEntry) => ({ ...e, decision: { ...e.decision, next: { ...e.decision.next, percent: 99 } } }),
      /give a different decision/,
    ],
    ['another time', (e: RolloutEntry) => ({ ...e, atMs: e.atMs - hourMs }), /give a different decision/],
    ['nothing in it', () => ({ spec, decision: {} }), /./],
  ])('do not follow from %s, even with new hashes', (_, forge, problem) => {
    const rows = forged(2, forge);
    expect(findWrongDecision(rows)).toEqual({ sequence: 3, problem: expect.stringMatching(problem) });
  });

  it.each([
    ['actor', 'eve'],
    ['reason', 'all is well'],
    ['action', 'wait'],
    ['atMs', 1],
  ])('have the same column %s as the entry', (column, value) => {
    const rows = trail().map((entry, index) => (index === 3 ? { ...rowOf(entry), [column]: value } : rowOf(entry)));
    expect(findWrongDecision(rows)).toEqual({ sequence: 4, problem: `its ${column} differs from its entry` });
  });

  it('are checked for missing rows', () => {
    expect(findWrongDecision(trail().map(rowOf).toSpliced(1, 1))).toMatchObject({ sequence: 2 });
  });

  it('are not read if there is no JSON', () => {
    const rows = trail().map((entry, index) => ({ ...rowOf(entry), ...(index === 1 && { entry: '{' }) }));
    expect(findWrongDecision(rows)).toEqual({ sequence: 2, problem: 'its entry is not a decision in JSON' });
  });
});
