import type { RolloutDecision, RolloutOccasion, RolloutSpec, RolloutState } from '../../contract/rollout';
import { applyCommand } from './commands';
import { analyseByRequests } from './rule-by-requests';
import { analyseByUsers } from './rule-by-users';
import { withStateByUsers } from './state-by-users';
import { begin } from './transitions';

/**
 * Decides what a rollout does next. Pure, so that the workflow, the simulation and the verification all apply exactly the
 * same rule: the one that the rollout began with. `state` is null before the rollout has begun.
 */
export function advanceRollout(
  spec: RolloutSpec,
  state: RolloutState | null,
  occasion: RolloutOccasion,
): RolloutDecision {
  const decision = decide(spec, state, occasion);
  return spec.rule === 2 ? withStateByUsers(spec, state, occasion, decision) : decision;
}

function decide(
  spec: RolloutSpec,
  state: RolloutState | null,
  { atMs, evidence, command }: RolloutOccasion,
): RolloutDecision {
  if (state === null) return begin(spec, atMs);
  if (command !== null) return applyCommand({ spec, state, command, evidence, atMs });
  return spec.rule === 2 ? analyseByUsers(spec, state, evidence, atMs) : analyseByRequests(spec, state, evidence, atMs);
}
