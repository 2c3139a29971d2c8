import type { Arm, ModelPrice, Policy, StreamLimits, Target } from '../contract/policy';
import type { ProviderKind } from '../contract/provider';
import type { Problem, ProblemCode, ProblemPath } from '../contract/problem';
import { maxImageTokensOf } from '../domain/turn/image-tokens';
import type { LoadedConfigFile } from './config-file';
import { defaultConfig, defaultMaxOutputTokens, defaultUsualLatencyMs } from './defaults';
import { idOf } from './id-of';
import { checkOfferedModels, resolveOfferedModels } from './offered-models';
import { presetOf } from './model-presets';
import { checkTargets, list, type Member, membersOf, modelOf, placedTargets, type TargetConfig } from './targets';
import { configFileSchema, type ConfigFile } from './schema';

type ModelConfig = NonNullable<ConfigFile['models']>[string];
type ArmConfig = NonNullable<ConfigFile['arms']>[string];

const standard = configFileSchema.parse(defaultConfig) as Required<ConfigFile>;

/** The file over the defaults: models and arms by name, everything else field by field. */
export interface MergedConfig {
  readonly providers: ReadonlyMap<string, NonNullable<ConfigFile['providers']>[string]>;
  readonly models: ReadonlyMap<string, ModelConfig>;
  readonly arms: ReadonlyMap<string, ArmConfig>;
  readonly chains: ReadonlyMap<string, ArmConfig>;
  readonly defaultArm: string;
  /** Arms by user, in the form that turns have them: see `idOf`. */
  readonly pinnedUsers: ReadonlyMap<string, string>;
}

export function mergeConfig(config: ConfigFile): MergedConfig {
  const providers = new Map(Object.entries(standard.providers));
  for (const [name, provider] of Object.entries(config.providers ?? {})) {
    providers.set(name, { ...providers.get(name), ...provider });
  }
  return {
    providers,
    models: new Map([...Object.entries(standard.models), ...Object.entries(config.models ?? {})]),
    arms: new Map([...Object.entries(standard.arms), ...Object.entries(config.arms ?? {})]),
    chains: new Map(Object.entries(config.chains ?? {})),
    defaultArm: config.defaultArm ?? standard.defaultArm,
    pinnedUsers: new Map(Object.entries(config.pinnedUsers ?? {}).map(([name, arm]) => [idOf(name), arm])),
  };
}

/** Finds references to something that does not exist, and contradictions. Parts that could not be read are left out. */
export function crossCheck(merged: MergedConfig, { config, unusable }: LoadedConfigFile): Problem[] {
  const problems: Problem[] = [];
  const report: Report = (path, code, message, limit) =>
    problems.push({ path, code, message, ...(limit !== undefined && { limit }) });

  problems.push(...checkTargets(merged, { config, unusable }));
  if (!unusable.has('arms') && !unusable.has('defaultArm')) {
    if (!merged.arms.has(merged.defaultArm)) {
      report(
        ['defaultArm'],
        'unknown-reference',
        `no arm named "${merged.defaultArm}"; there are: ${list(merged.arms)}`,
      );
    } else if (config.arms && !config.defaultArm && !Object.hasOwn(config.arms, merged.defaultArm)) {
      report(
        ['defaultArm'],
        'missing',
        `name the arm that takes all turns while no rollout runs; there are: ${list(merged.arms)}`,
      );
    }
  }
  if (!unusable.has('arms')) {
    for (const [userName, arm] of Object.entries(config.pinnedUsers ?? {})) {
      const place = ['pinnedUsers', userName];
      if (!merged.arms.has(arm)) {
        report(place, 'unknown-reference', `no arm named "${arm}"; there are: ${list(merged.arms)}`);
      } else if (merged.pinnedUsers.get(idOf(userName)) !== arm) {
        report(place, 'contradiction', 'another spelling of the same name is pinned to another arm');
      }
    }
  }
  if (!unusable.has('providers') && !unusable.has('embeddings') && !unusable.has('moderations')) {
    checkOfferedModels(config, merged.providers, report);
  }
  if (!unusable.has('stream') && !unusable.has('arms')) reportUselessLimits(config, report);
  const maxTokens = config.defaults?.maxTokens;
  const hardCap = hardCapOf(config);
  if (!unusable.has('budgets') && maxTokens !== undefined && maxTokens > hardCap) {
    report(
      ['defaults', 'maxTokens'],
      'contradiction',
      `${maxTokens} is over the hard cap, budgets.maxCompletionTokens: ${hardCap}`,
      hardCap,
    );
  }
  return problems;
}

type Report = (path: ProblemPath, code: ProblemCode, message: string, limit?: number) => void;

/** Limits on part of a call that are longer than the limit of the whole call. */
function reportUselessLimits(config: ConfigFile, report: Report): void {
  const { totalMs } = streamLimitsOf(config);
  const check = (place: ProblemPath, limits: ArmConfig['targets'][number]['stream']) => {
    for (const name of ['firstByteMs', 'firstTokenMs', 'idleMs'] as const) {
      const limitMs = limits?.[name];
      if (limitMs === undefined || limitMs <= totalMs) continue;
      report(
        [...place, name],
        'contradiction',
        `${limitMs} is over the limit of the whole call, stream.totalMs: ${totalMs}`,
        totalMs,
      );
    }
  };
  check(['stream'], config.stream);
  for (const { place, target } of placedTargets(config)) check([...place, 'stream'], target.stream);
}

function hardCapOf({ budgets }: ConfigFile): number {
  return budgets?.maxCompletionTokens ?? defaultConfig.budgets.maxCompletionTokens;
}

/** Call only with a configuration that has no problems. */
export function resolvePolicy(merged: MergedConfig, config: ConfigFile): Policy {
  const budgets = { ...standard.budgets, ...config.budgets } as Required<NonNullable<ConfigFile['budgets']>>;
  const stream = streamLimitsOf(config);
  const resolve = (chains: ReadonlyMap<string, ArmConfig>): Policy['arms'] =>
    Object.fromEntries([...chains].map(([name, arm]) => [name, resolveArm(name, arm, merged, stream)]));
  return {
    arms: resolve(merged.arms),
    chains: resolve(merged.chains),
    offeredModels: resolveOfferedModels(config, stream),
    defaultArm: merged.defaultArm,
    pinnedArms: merged.pinnedUsers,
    retry: { ...standard.retry, ...config.retry } as Policy['retry'],
    breaker: { ...standard.breaker, ...config.breaker } as Policy['breaker'],
    budgets: {
      sessionNanoUsd: budgets.sessionUsd,
      dayNanoUsd: budgets.dayUsd,
      maxCompletionTokens: budgets.maxCompletionTokens,
    },
    defaults: { maxTokens: hardCapOf(config), ...config.defaults },
  };
}

/** The price of a model in `defaults.ts`. */
export function standardPrice(modelName: string): ModelPrice {
  const model = standard.models[modelName];
  if (!model) throw new Error(`There is no standard price for ${modelName}.`);
  return resolvePrice(model);
}

function streamLimitsOf(config: ConfigFile): StreamLimits {
  return { ...standard.stream, ...config.stream } as StreamLimits;
}

function resolveArm(name: string, arm: ArmConfig, merged: MergedConfig, stream: StreamLimits): Arm {
  const targets = arm.targets.flatMap((target) => membersOf(target).map((member) => resolveTarget(target, member)));
  return { name, targets };

  function resolveTarget(target: TargetConfig, { provider, model: memberModel, pool }: Member): Target {
    const model = modelOf(merged, provider, memberModel, target.model);
    if (!model) throw new Error(`${name}: the model ${target.model} has no price`);
    const preset = presetOf(target.model);
    const { kind = 'openai-compatible' } = merged.providers.get(provider) ?? {};
    return {
      name: target.name,
      provider,
      model: memberModel,
      price: resolvePrice(model, kind),
      maxOutputTokens: target.maxOutputTokens ?? defaultMaxOutputTokens,
      maxImageTokens: target.maxImageTokens ?? maxImageTokensOf(target.model),
      ...(kind !== 'openai-compatible' && { hiddenPromptTokens: nativeHiddenPromptTokens }),
      maxThinkingTokens: target.maxThinkingTokens ?? preset.maxThinkingTokens,
      askedThinkingTokens: target.maxThinkingTokens === undefined ? preset.askedThinkingTokens : null,
      requestRules: {
        omit: target.omit ?? preset.omit,
        rename: target.rename ?? preset.rename,
        exclusive: target.exclusive ?? preset.exclusive,
        developer: target.developer ?? preset.developer,
      },
      firstAttempt: target.firstAttempt ?? 'auto',
      usualLatencyMs: target.usualLatencyMs ?? defaultUsualLatencyMs,
      streaming: target.streaming ?? true,
      // Not every native API continues an answer, and most refuse to.
      continues: target.continues ?? kind === 'openai-compatible',
      stream: { ...stream, ...target.stream },
      ...(pool && { pool }),
    };
  }
}

/**
 * Anthropic documents up to 804 tokens of instructions for tools, and an unknown number for the format of an answer. The other
 * kinds add less.
 */
const nativeHiddenPromptTokens = 2_000;

/** What Anthropic charges for a write to its cache of five minutes, in percent of its price for input. */
const anthropicCacheWritePercent = 125;

function resolvePrice({ price, cjkMultiplier = 1 }: ModelConfig, kind: ProviderKind = 'openai-compatible'): ModelPrice {
  const {
    input,
    output,
    cachedInput = input,
    cacheWrite = kind === 'anthropic' || kind === 'bedrock'
      ? Math.ceil((input * anthropicCacheWritePercent) / 100)
      : undefined,
  } = typeof price === 'number' ? { input: price, output: price } : { ...price };
  return {
    inputNanoUsdPerMillion: input,
    outputNanoUsdPerMillion: output,
    cachedInputNanoUsdPerMillion: cachedInput,
    ...(cacheWrite !== undefined && { cacheWriteNanoUsdPerMillion: cacheWrite }),
    cjkMultiplierPercent: Math.round(cjkMultiplier * 100),
  };
}
