import type { PoolMember } from '../contract/policy';
import type { Problem, ProblemPath } from '../contract/problem';
import { routedModel } from '../domain/turn/model-names';
import type { LoadedConfigFile } from './config-file';
import type { MergedConfig } from './policy';
import type { ConfigFile } from './schema';

export type TargetConfig = NonNullable<ConfigFile['arms']>[string]['targets'][number];
type ModelConfig = NonNullable<ConfigFile['models']>[string];

/** Each is one more step of a turn, and of its history, while nothing answers. */
const maxTargetsWithMembers = 30;

/** As long as a circuit breaker leaves a target alone. */
const defaultCooldownMs = 10_000;

/** What a target calls: a provider and what that calls the model. */
export interface Member {
  readonly provider: string;
  readonly model: string;
  /** Absent: it is the only one. */
  readonly pool?: PoolMember;
}

export function membersOf({
  provider,
  model,
  members,
  cooldownMs = defaultCooldownMs,
}: TargetConfig): readonly Member[] {
  if (members === undefined) return provider === undefined ? [] : [{ provider, model }];
  return members.map((member) => ({
    provider: member.provider,
    model: member.model ?? model,
    pool: { model, weight: member.weight ?? 1, cooldownMs },
  }));
}

/** The price of what a provider calls `memberModel`: its own for that name, or else for the name that callers use. */
export function modelOf(
  { models }: MergedConfig,
  provider: string,
  ...names: readonly string[]
): ModelConfig | undefined {
  const keys = names.flatMap((model) => [`${provider}/${model}`, model]);
  return keys.map((key) => models.get(key)).find((model) => model !== undefined);
}

/** The targets of the file's arms and chains, with their places in it. */
export function placedTargets({ arms = {}, chains = {} }: Pick<ConfigFile, 'arms' | 'chains'>) {
  return Object.entries({ arms, chains }).flatMap(([part, named]) =>
    Object.entries(named).flatMap(([name, { targets }]) =>
      targets.map((target, index) => ({ place: [part, name, 'targets', index] as const, target, targets })),
    ),
  );
}

/** Finds references to something that does not exist, contradictions, and names that are used twice. */
export function checkTargets(
  merged: MergedConfig,
  { config, unusable }: Pick<LoadedConfigFile, 'config' | 'unusable'>,
): readonly Problem[] {
  const problems: Problem[] = [];
  const report = (path: ProblemPath, code: Problem['code'], message: string) => problems.push({ path, code, message });

  for (const { place, target, targets } of placedTargets(config)) {
    const { provider, members } = target;
    if (provider === undefined && members === undefined) report([...place, 'provider'], 'missing', 'is missing');
    if (provider !== undefined && members !== undefined) {
      report([...place, 'provider'], 'contradiction', 'cannot stand beside members: each of them names its own');
    }
    if (target.cooldownMs !== undefined && members === undefined) {
      report([...place, 'cooldownMs'], 'contradiction', 'means nothing without members');
    }
    const all = members ?? (provider === undefined ? [] : [{ provider, model: undefined }]);
    for (const [index, member] of all.entries()) {
      const at = members === undefined ? place : [...place, 'members', index];
      if (!unusable.has('providers') && !merged.providers.has(member.provider)) {
        const message = `no provider named "${member.provider}"; there are: ${list(merged.providers)}`;
        report([...at, 'provider'], 'unknown-reference', message);
      }
      const names = [...(member.model === undefined ? [] : [member.model]), target.model];
      if (!unusable.has('models') && !modelOf(merged, member.provider, ...names)) {
        const message = `no price for the model "${names[0]}"; there are prices for: ${list(merged.models)}`;
        report([...at, 'model'], 'unknown-reference', message);
      }
      const isSame = (other: typeof member) => other.provider === member.provider && other.model === member.model;
      if (all.findIndex(isSame) !== index) {
        report([...at, 'provider'], 'already-used', `"${member.provider}" is an earlier member with the same model`);
      }
    }
    if (targets.findIndex(({ name }) => name === target.name) !== place[3]) {
      const message = `"${target.name}" is the name of an earlier target of this ${place[0] === 'arms' ? 'arm' : 'chain'}`;
      report([...place, 'name'], 'already-used', message);
    }
    if (place[3] === 0 && targets.flatMap(membersOf).length > maxTargetsWithMembers) {
      const message = `has more than ${maxTargetsWithMembers} targets, with each member counted`;
      problems.push({ path: place.slice(0, 3), code: 'too-many', message, limit: maxTargetsWithMembers });
    }
  }
  return [...problems, ...checkChainNames(merged, config)];
}

/** A request must not mean two things by one name, and costs are booked by the names of arms and chains alike. */
function checkChainNames({ arms, chains }: MergedConfig, { gateway }: ConfigFile): readonly Problem[] {
  const models = [...arms].flatMap(([arm, { targets }]) => targets.map(({ model }) => ({ arm, model })));
  return [...chains.keys()].flatMap((name): readonly Problem[] => {
    const path = ['chains', name];
    const taken = (what: string): Problem => ({
      path,
      code: 'already-used',
      message: `"${name}" is the name of ${what}`,
    });
    if (name === routedModel) return [taken('the model that leaves the choice to routing')];
    if (arms.has(name)) return [taken(`the arm arms.${name}: call one of them something else`)];
    const alias = (gateway?.aliases ?? []).indexOf(name);
    if (alias !== -1) return [taken(`the alias gateway.aliases[${alias}]: call one of them something else`)];
    const found = models.find(({ model }) => model === name);
    return found ? [taken(`a model of the arm arms.${found.arm}: call the chain something else`)] : [];
  });
}

export function list(names: ReadonlyMap<string, unknown>): string {
  return [...names.keys()].join(', ');
}
