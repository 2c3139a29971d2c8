import type { RolloutSpec } from '../../src/contract/rollout';
import { defaultRolloutGates, rolloutPlans } from '../../src/domain/rollout/plans';
import { unique } from './temporal';

/** The default plan, from legacy to holysheep, under a name of its own. */
export function rolloutSpec(changes: Partial<RolloutSpec> = {}): RolloutSpec {
  return {
    name: unique('rollout'),
    baselineArm: 'legacy',
    canaryArm: 'holysheep',
    ...rolloutPlans['72h'],
    gates: defaultRolloutGates,
    freezeWindows: [],
    takeOver: false,
    actor: 'test',
    ...changes,
  };
}
