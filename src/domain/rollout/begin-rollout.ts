import type { RolloutSpec, TrafficSplit } from '../../contract/rollout';

export interface Beginning {
  readonly spec: RolloutSpec;
  /** Another rollout of this name has begun before. */
  readonly nameIsTaken: boolean;
  readonly split: TrafficSplit | null;
  /** Where traffic is before the first rollout. */
  readonly defaultArm: string;
}

export interface RefusalToBegin {
  /** Of the spec. */
  readonly field: string;
  readonly problem: string;
}

/** Why a rollout may not begin now, and what to do about it; null when it may. */
export function refusalToBegin({ spec, nameIsTaken, split, defaultArm }: Beginning): RefusalToBegin | null {
  const { name, baselineArm, canaryArm, takeOver } = spec;
  if (nameIsTaken) {
    return {
      field: 'name',
      problem: `is the name of an earlier rollout, "${name}", whose audit trail is kept. Choose another name, like ${name}-2.`,
    };
  }
  if (takeOver) return null;
  if (split?.active === true) {
    return {
      field: 'takeOver',
      problem:
        `rollout "${split.rollout}" is still active, with ${split.percent} % of users on ${split.canaryArm}. End it first ` +
        `(roll it back, or promote it in full and wait until it has succeeded), or set takeOver if its workflow is gone.`,
    };
  }
  const now = armOfTraffic(split, defaultArm);
  if (now === baselineArm) return null;
  const cause = split === null ? 'the default arm' : `where rollout "${split.rollout}" left it`;
  const swapped = now === canaryArm ? ' That is already where this rollout would lead to.' : '';
  return {
    field: 'baselineArm',
    problem:
      `is ${baselineArm}, but traffic is at ${now} now, ${cause}: all users would change at once.${swapped} Begin at ` +
      `${now}, or set takeOver to move them to ${baselineArm} at once.`,
  };
}

/** The arm that takes the traffic while no rollout is active. */
function armOfTraffic(split: TrafficSplit | null, defaultArm: string): string {
  if (split === null) return defaultArm;
  return split.percent >= 100 ? split.canaryArm : split.baselineArm;
}
