import type { RolloutSpec } from '../../../src/contract/rollout';
import { splitAfter } from '../../../src/domain/rollout/split-after';
import { rolloutSpec } from '../../support/rollout-spec';

const next = { percent: 25, bake: 2, endedAtMs: null };

describe('the split after a decision', () => {
  it('has the arms of the spec and the share of the state, and is active until the rollout has ended', () => {
    const spec = rolloutSpec({ name: 'november' });
    const split = { rollout: 'november', baselineArm: 'legacy', canaryArm: 'holysheep', percent: 25, bake: 2 };
    expect(splitAfter(spec, next)).toMatchObject({ ...split, active: true });
    expect(splitAfter(spec, { ...next, endedAtMs: 1 })).toMatchObject({ ...split, active: false });
  });

  it.each<[string, Partial<RolloutSpec>, boolean]>([
    ['rescues under rule 2', { rule: 2 }, true],
    ['does not rescue under rule 2 if the spec says so', { rule: 2, rescue: false }, false],
    ['does not rescue in a rollout from before', {}, false],
    ['rescues if the spec says so', { rescue: true }, true],
  ])('%s', (_, changes, rescue) => {
    expect(splitAfter(rolloutSpec(changes), next).rescue).toBe(rescue);
  });

  it('has the salt of the spec', () => {
    expect(splitAfter(rolloutSpec({ salt: 'december' }), next).salt).toBe('december');
    expect(splitAfter(rolloutSpec(), next).salt).toBeNull();
  });
});
