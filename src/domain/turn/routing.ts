import type { Policy } from '../../contract/policy';
import type { TrafficSplit } from '../../contract/rollout';

/** An arm of chats or an offered model, by the name under which its calls are counted; undefined if there is none. */
export function armCalled({ arms, offeredModels = {} }: Pick<Policy, 'arms' | 'offeredModels'>, name: string) {
  if (Object.hasOwn(arms, name)) return arms[name];
  return Object.hasOwn(offeredModels, name) ? offeredModels[name] : undefined;
}

/** The arm of a new turn. */
export interface Route {
  readonly arm: string;
  /** The bake that the turn counts towards; null if no rollout is active or the rollout did not choose the arm. */
  readonly countedIn: { readonly rollout: string; readonly bake: number } | null;
}

export type RoutingPolicy = Pick<Policy, 'arms' | 'defaultArm' | 'pinnedArms'>;

/**
 * Chooses the arm of a user's new turn: the arm that the user is pinned to; else the canary if the user's bucket (1 to 100)
 * is within the split's percent; else the baseline. Splits are nested: a user on the canary arm at one percentage stays
 * there at every higher one. If the arm is not configured here, the default arm takes the turn and it is not counted.
 */
export function route(policy: RoutingPolicy, split: TrafficSplit | null, userId: string | null, bucket: number): Route {
  const pinned = userId === null ? undefined : policy.pinnedArms.get(userId);
  if (pinned !== undefined) return uncounted(configured(policy, pinned) ?? policy.defaultArm);
  if (split === null) return uncounted(policy.defaultArm);

  const arm = configured(policy, bucket <= split.percent ? split.canaryArm : split.baselineArm);
  if (arm === undefined) return uncounted(policy.defaultArm);
  return { arm, countedIn: split.active ? { rollout: split.rollout, bake: split.bake } : null };
}

/** An arm's targets in the order to try them: those with the preferred model first, otherwise as configured. */
export function chainFor<Step extends { readonly model: string }>(
  targets: readonly Step[],
  model: string | undefined,
): readonly Step[] {
  const preferred = targets.filter((target) => target.model === model);
  return [...preferred, ...targets.filter((target) => target.model !== model)];
}

/** What a turn of a rollout's canary tries when its own chain has failed: the baseline's targets that are not in it, too. */
export function rescueFor<Step extends { readonly provider: string; readonly model: string }>(
  chain: readonly Step[],
  baseline: readonly Step[],
  model: string | undefined,
): readonly Step[] {
  const isTried = (target: Step) =>
    chain.some((tried) => tried.provider === target.provider && tried.model === target.model);
  return chainFor(baseline, model).filter((target) => !isTried(target));
}

function uncounted(arm: string): Route {
  return { arm, countedIn: null };
}

function configured(policy: RoutingPolicy, arm: string): string | undefined {
  return Object.hasOwn(policy.arms, arm) ? arm : undefined;
}
