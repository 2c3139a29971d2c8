import type { Arm, Policy, Target } from '../../contract/policy';
import type { TrafficSplit } from '../../contract/rollout';

/** All that has targets. */
export type RoutedParts = Pick<Policy, 'arms' | 'chains' | 'offeredModels'>;

/** An arm, a chain or an offered model, by the name under which its calls are counted; undefined if there is none. */
export function armCalled({ arms, chains, offeredModels = {} }: RoutedParts, name: string): Arm | undefined {
  return [arms, chains, offeredModels].find((named) => Object.hasOwn(named, name))?.[name];
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

/** Of all arms, chains and offered models. */
export function allTargets({ arms, chains, offeredModels = {} }: RoutedParts): readonly Target[] {
  return [arms, chains, offeredModels].flatMap(Object.values<Arm>).flatMap(({ targets }) => targets);
}

/** What a request means by a fallback: a whole chain, or the targets that the first arm with this model has for it. */
export function fallbackNamed(policy: Pick<Policy, 'arms' | 'chains' | 'defaultArm'>, name: string): Arm | undefined {
  if (Object.hasOwn(policy.chains, name)) return policy.chains[name];
  const first = policy.arms[policy.defaultArm];
  const arms = [...(first ? [first] : []), ...Object.values(policy.arms)];
  const found = arms
    .map((arm) => ({ ...arm, targets: arm.targets.filter((target) => modelNameOf(target) === name) }))
    .find(({ targets }) => targets.length > 0);
  return found;
}

/** The model's name for callers. */
export function modelNameOf({ model, pool }: Pick<Target, 'model' | 'pool'>): string {
  return pool?.model ?? model;
}

/** An arm's targets in the order to try them: those with the preferred model first, otherwise as configured. */
export function chainFor<Step extends Pick<Target, 'model' | 'pool'>>(
  targets: readonly Step[],
  model: string | undefined,
): readonly Step[] {
  const preferred = targets.filter((target) => modelNameOf(target) === model);
  return [...preferred, ...targets.filter((target) => modelNameOf(target) !== model)];
}

/** The targets that are at another provider, or of another model, than all that are tried before. */
export function notYetTried<Step extends { readonly provider: string; readonly model: string }>(
  targets: readonly Step[],
  tried: readonly Step[],
): readonly Step[] {
  const isTried = ({ provider, model }: Step) =>
    tried.some((before) => before.provider === provider && before.model === model);
  return targets.filter((target) => !isTried(target));
}

function uncounted(arm: string): Route {
  return { arm, countedIn: null };
}

function configured(policy: RoutingPolicy, arm: string): string | undefined {
  return Object.hasOwn(policy.arms, arm) ? arm : undefined;
}
