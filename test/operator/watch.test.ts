import type { RolloutPhase } from '../../src/contract/rollout';
import { type WatchEnd, watchEnd } from '../../src/operator/watch';
import type { RolloutView } from '../../src/operator/view';
import { advanceRollout } from '../../src/domain/rollout/advance-rollout';
import { arm, hourMs, provenAt, specWith, startedAtMs } from '../domain/rollout/given';

function watched(phase: RolloutPhase, changes: Partial<RolloutView> = {}): RolloutView {
  const spec = specWith();
  const { next } = advanceRollout(spec, null, { atMs: startedAtMs, evidence: null, command: null });
  const hasEnded = phase === 'Succeeded' || phase === 'RolledBack';
  const { name: rollout, baselineArm, canaryArm } = spec;
  return {
    atMs: startedAtMs,
    spec,
    traffic: [],
    trafficSinceMs: startedAtMs,
    evidence: null,
    outlook: null,
    recordingFailure: null,
    analysisDueAtMs: hasEnded ? null : startedAtMs + 1,
    state: { ...next, phase, endedAtMs: hasEnded ? startedAtMs : null },
    workflow: 'running',
    split: { rollout, baselineArm, canaryArm, percent: 10, bake: 1, active: !hasEnded, rescue: false, salt: null },
    ...changes,
  };
}

const ends: readonly (readonly [RolloutPhase, WatchEnd | null])[] = [
  ['Progressing', null],
  ['Paused', 'needs-operator'],
  ['Held', 'needs-operator'],
  ['Promoting', 'promoted'],
  ['Succeeded', 'promoted'],
  ['RolledBack', 'rolled-back'],
];

describe('a watch', () => {
  it.each(ends)('of a rollout that is %s ends with %s', (phase, end) => {
    expect(watchEnd(watched(phase), false)).toBe(end);
  });

  it('that waits for operators continues while the rollout is paused or held; others end', () => {
    for (const [phase, end] of ends) expect(watchEnd(watched(phase), true)).toBe(end === 'needs-operator' ? null : end);
  });

  it.each(['completed', 'failed', 'unknown'] as const)(
    'ends if there is no workflow (%s), even if it waits for operators',
    (workflow) => {
      for (const phase of ['Progressing', 'Paused', 'Promoting'] as const)
        expect(watchEnd(watched(phase, { workflow }), true)).toBe('needs-operator');
      expect(watchEnd(watched('Succeeded', { workflow }), true)).toBe('promoted');
    },
  );

  it('continues while it is unknown whether a workflow runs', () => {
    expect(watchEnd(watched('Progressing', { workflow: 'unreachable' }), false)).toBeNull();
  });

  it('ends if the ledger lacks what the workflow has recorded, and goes on if the database is away', () => {
    const recordingFailure = { message: 'rows 2 to 8 are missing in the ledger', isLedgerBehind: true };
    expect(watchEnd(watched('Progressing', { recordingFailure }), true)).toBe('needs-operator');
    const away = { message: 'the database is away', isLedgerBehind: false };
    expect(watchEnd(watched('Progressing', { recordingFailure: away }), true)).toBeNull();
  });

  it('goes on while no worker runs: one may come', () => {
    expect(watchEnd(watched('Progressing', { atMs: startedAtMs + 5 * hourMs }), false)).toBeNull();
  });

  it('does not call a canary promoted that fails at 100%', () => {
    const warm = watched('Promoting');
    const state = { ...warm.state, percent: 100 };
    const promoting = { ...warm, split: warm.split && { ...warm.split, percent: 100 } };
    const failing = provenAt(state, startedAtMs, { canary: arm(1000, 100), baseline: arm(0, 0) });
    expect(watchEnd({ ...promoting, state, evidence: failing }, false)).toBe('needs-operator');
    expect(watchEnd({ ...promoting, state, evidence: provenAt(state, startedAtMs) }, false)).toBe('promoted');
  });

  it('ends if another rollout or none routes turns', () => {
    const other = watched('Progressing');
    const split = other.split && { ...other.split, rollout: 'another' };
    expect(watchEnd({ ...other, split }, false)).toBe('needs-operator');
    expect(watchEnd({ ...other, split: null }, false)).toBe('needs-operator');
  });
});
