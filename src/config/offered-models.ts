/** The models that are offered for embeddings and moderations, from the configuration's `embeddings` and `moderations`. */
import { armOfOperation, type OfferedModel, type Operation, operations } from '../contract/operations';
import type { Policy, StreamLimits, Target } from '../contract/policy';
import type { ProblemCode, ProblemPath } from '../contract/problem';
import { defaultUsualLatencyMs } from './defaults';
import type { ConfigFile } from './schema';

type OfferedConfig = NonNullable<ConfigFile['embeddings']>[string] & { readonly mixesModels?: boolean };
type OfferedTarget = OfferedConfig['targets'][number];

/** OpenAI's own; other models have 3,072 at most unless the configuration says otherwise. */
const knownDimensions: ReadonlyMap<string, number> = new Map([
  ['text-embedding-3-small', 1_536],
  ['text-embedding-ada-002', 1_536],
]);
const usualMaxDimensions = 3_072;

function offered(config: ConfigFile): readonly [Operation, string, OfferedConfig][] {
  return operations.flatMap((operation) =>
    Object.entries(config[operation] ?? {}).map(([name, each]): [Operation, string, OfferedConfig] => [
      operation,
      name,
      each,
    ]),
  );
}

/** The names of the providers that are called for them. */
export function providersOfOfferedModels(config: ConfigFile): readonly string[] {
  return offered(config).flatMap(([, , { targets }]) => targets.map(({ provider }) => provider));
}

type Report = (path: ProblemPath, code: ProblemCode, message: string) => void;

type ProviderConfig = NonNullable<ConfigFile['providers']>[string];

export function checkOfferedModels(
  config: ConfigFile,
  providers: ReadonlyMap<string, ProviderConfig>,
  report: Report,
): void {
  for (const [operation, name, { targets, mixesModels = false }] of offered(config)) {
    for (const [index, target] of targets.entries()) {
      const place = [operation, name, 'targets', index];
      const provider = providers.get(target.provider);
      if (provider === undefined) {
        const message = `no provider named "${target.provider}"; there are: ${[...providers.keys()].join(', ')}`;
        report([...place, 'provider'], 'unknown-reference', message);
      } else if (provider.kind !== undefined && provider.kind !== 'openai-compatible') {
        const message = `"${target.provider}" is of the kind ${provider.kind}; ${operation} are asked of providers of the kind openai-compatible only`;
        report([...place, 'provider'], 'contradiction', message);
      }
      const isRepeated = targets.findIndex((other) => targetName(other, name) === targetName(target, name)) !== index;
      if (isRepeated) report(place, 'already-used', 'an earlier target of this model is the same');
      const { model = name } = target;
      const first = targets[0]?.model ?? name;
      if (operation === 'embeddings' && model !== first && !mixesModels) {
        const message = `"${model}" is not the first target's model, "${first}": vectors of different models cannot be compared. If these two are one model under two names, set mixesModels: true`;
        report([...place, 'model'], 'contradiction', message);
      }
    }
  }
}

export function resolveOfferedModels(config: ConfigFile, stream: StreamLimits): NonNullable<Policy['offeredModels']> {
  return Object.fromEntries(
    offered(config).map(([operation, model, { targets, maxDimensions }]): [string, OfferedModel] => {
      const name = armOfOperation(operation, model);
      return [
        name,
        {
          name,
          operation,
          model,
          maxDimensions: maxDimensions ?? knownDimensions.get(model) ?? usualMaxDimensions,
          targets: targets.map((target) => resolveTarget(target, model, stream)),
        },
      ];
    }),
  );
}

function targetName({ provider, model }: OfferedTarget, offeredAs: string): string {
  return `${provider}/${model ?? offeredAs}`;
}

/** No tokens but those of the input are charged. */
function resolveTarget(target: OfferedTarget, offeredAs: string, stream: StreamLimits): Target {
  const { provider, model = offeredAs, price } = target;
  return {
    name: targetName(target, offeredAs),
    provider,
    model,
    price: {
      inputNanoUsdPerMillion: price,
      outputNanoUsdPerMillion: 0,
      cachedInputNanoUsdPerMillion: price,
      cjkMultiplierPercent: 100,
    },
    maxOutputTokens: 0,
    maxImageTokens: 0,
    maxThinkingTokens: 0,
    askedThinkingTokens: null,
    requestRules: { omit: [], rename: {}, exclusive: [], developer: 'system' },
    firstAttempt: 'auto',
    usualLatencyMs: defaultUsualLatencyMs,
    streaming: false,
    continues: false,
    stream,
  };
}
