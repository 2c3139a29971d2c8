import type { RolloutDecision, RolloutOccasion, RolloutSpec, RolloutState } from '../../contract/rollout';
import { analyse } from './analyse';
import { begin } from './moves';
import { obey } from './obey';

/**
 * The one rule of a rollout: what comes next. Pure, so that the workflow that acts on it, the simulation that tries it
 * and the verification that computes it again all run the same. `state` is null before the rollout has begun.
 */
export function advanceRollout(
  spec: RolloutSpec,
  state: RolloutState | null,
  { atMs, evidence, command }: RolloutOccasion,
): RolloutDecision {
  if (state === null) return begin(spec, atMs);
  if (command !== null) return obey(spec, state, command, evidence, atMs);
  return analyse(spec, state, evidence, atMs);
}
