import type { Policy } from '../../contract/policy';
import type { TrafficSplit } from '../../contract/rollout';

/** Where a new turn goes. */
export interface Route {
  readonly arm: string;
  /** The bake that it counts for; null when no rollout is active, or the rollout did not choose the arm. */
  readonly countedIn: { readonly rollout: string; readonly bake: number } | null;
}

export type RoutingPolicy = Pick<Policy, 'arms' | 'defaultArm' | 'pinnedArms'>;

/**
 * The arm of a user's new turn: the one they are pinned to, or the canary when their bucket (1 to 100) is within the
 * split's percent, or the baseline. Nested: a user who is on the canary arm at one percent is so at every higher one.
 * Where that arm is not configured here, the default arm takes the turn and nothing counts it.
 */
export function route(policy: RoutingPolicy, split: TrafficSplit | null, userId: string | null, bucket: number): Route {
  const pinned = userId === null ? undefined : policy.pinnedArms.get(userId);
  if (pinned !== undefined) return uncounted(configured(policy, pinned) ?? policy.defaultArm);
  if (split === null) return uncounted(policy.defaultArm);

  const arm = configured(policy, bucket <= split.percent ? split.canaryArm : split.baselineArm);
  if (arm === undefined) return uncounted(policy.defaultArm);
  return { arm, countedIn: split.active ? { rollout: split.rollout, bake: split.bake } : null };
}

/** An arm's chain for a turn that would rather have a certain model: targets with it first, otherwise as configured. */
export function chainFor<Step extends { readonly model: string }>(
  targets: readonly Step[],
  model: string | undefined,
): readonly Step[] {
  const preferred = targets.filter((target) => target.model === model);
  return [...preferred, ...targets.filter((target) => target.model !== model)];
}

function uncounted(arm: string): Route {
  return { arm, countedIn: null };
}

function configured(policy: RoutingPolicy, arm: string): string | undefined {
  return Object.hasOwn(policy.arms, arm) ? arm : undefined;
}
