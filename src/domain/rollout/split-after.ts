import type { RolloutSpec, RolloutState, TrafficSplit } from '../../contract/rollout';
import { exposureOf } from './exposure';

/** The split that a decision sets. */
export function splitAfter(
  spec: RolloutSpec,
  next: Pick<RolloutState, 'percent' | 'bake' | 'endedAtMs'>,
): TrafficSplit {
  return {
    rollout: spec.name,
    baselineArm: spec.baselineArm,
    canaryArm: spec.canaryArm,
    percent: next.percent,
    bake: next.bake,
    active: next.endedAtMs === null,
    // Rollouts that began under rule 1 began without it.
    rescue: spec.rescue ?? spec.rule === 2,
    salt: spec.salt ?? null,
    ...(spec.rule === 2 && { exposure: exposureOf(spec.gates) }),
  };
}
