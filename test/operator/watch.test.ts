import type { RolloutPhase } from '../../src/contract/rollout';
import { type WatchEnd, watchEnd } from '../../src/operator/watch';
import type { RolloutView } from '../../src/operator/view';
import { advanceRollout } from '../../src/domain/rollout/advance-rollout';
import { specWith, startedAtMs } from '../domain/rollout/given';

type Watched = Pick<RolloutView, 'state' | 'workflow' | 'split' | 'spec'>;

function watched(phase: RolloutPhase, changes: Partial<Watched> = {}): Watched {
  const spec = specWith();
  const { next } = advanceRollout(spec, null, { atMs: startedAtMs, evidence: null, command: null });
  const hasEnded = phase === 'Succeeded' || phase === 'RolledBack';
  const { name: rollout, baselineArm, canaryArm } = spec;
  return {
    spec,
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

  it('ends if another rollout or none routes turns', () => {
    const other = watched('Progressing');
    const split = other.split && { ...other.split, rollout: 'another' };
    expect(watchEnd({ ...other, split }, false)).toBe('needs-operator');
    expect(watchEnd({ ...other, split: null }, false)).toBe('needs-operator');
  });
});
