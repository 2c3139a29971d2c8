import { readFileSync } from 'node:fs';
import path from 'node:path';
import { errorMessage } from '../contract/failures';
import type { ProviderKind, ProviderSettings } from '../contract/provider';
import type { LoadedConfigFile } from './config-file';
import { providerDefaults } from './defaults';
import { readDotEnv, valueOf, type Variables } from './environment';
import type { MergedConfig } from './policy';
import { providersOfOfferedModels } from './offered-models';
import { baseUrlSchema } from './schema';
import { membersOf, placedTargets, type TargetConfig } from './targets';

/** Variables with the address of a default provider; they override the file. */
const baseUrlVariables = new Map([
  ['holysheep', 'HOLYSHEEP_BASE_URL'],
  ['legacy', 'LEGACY_BASE_URL'],
]);

/** The address of a kind's own API. */
const kindBaseUrls: Partial<Record<ProviderKind, string>> = {
  anthropic: 'https://api.anthropic.com/v1',
  google: 'https://generativelanguage.googleapis.com/v1beta',
  'openai-responses': 'https://api.openai.com/v1',
};

function kindBaseUrl(kind: ProviderKind, region: string | undefined): string | undefined {
  if (kind !== 'bedrock') return kindBaseUrls[kind];
  return region === undefined ? undefined : `https://bedrock-runtime.${region}.amazonaws.com`;
}

/** The legacy provider's address while everything is simulated; `.invalid` can never be reached by mistake. */
export const simulatedBaseUrl = 'http://legacy.invalid/v1';

export interface ResolvedProviders {
  readonly providers: readonly ProviderSettings[];
  readonly simulated: boolean;
  readonly problems: readonly string[];
}

interface Sources {
  readonly merged: MergedConfig;
  readonly loaded: LoadedConfigFile;
  /** Only the real environment: a key in `.env` is read again on refresh. */
  readonly environment: Variables;
  readonly variables: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  /** Whether this process calls providers. Only then does it read keys, and only then do missing keys mean simulation. */
  readonly callsProviders: boolean;
}

/**
 * Providers with their address and a reader for their key. A default provider without an address is left out, unless
 * something in the file or the environment needs it.
 */
export function resolveProviders(sources: Sources): ResolvedProviders {
  const { merged, loaded, variables, callsProviders } = sources;
  const problems: string[] = [];
  const keyReaders = new Map<string, ApiKeyReader>();
  for (const name of merged.providers.keys()) {
    try {
      keyReaders.set(name, callsProviders ? keyReaderOf(name, sources) : noKey);
    } catch (error) {
      const reason = errorMessage(error);
      const isOfFile = merged.providers.get(name)?.apiKeyFile !== undefined;
      const place = ['providers', name, 'apiKeyFile'];
      problems.push(isOfFile ? loaded.describe({ path: place, code: 'wrong-value', message: reason }) : reason);
    }
  }
  const simulated = callsProviders && isSimulated(merged, keyReaders);

  const providers: ProviderSettings[] = [];
  for (const [name, provider] of merged.providers) {
    const variable = baseUrlVariables.get(name);
    const { kind = 'openai-compatible' } = provider;
    const configured = (variable && variables[variable]) ?? provider.baseUrl ?? kindBaseUrl(kind, provider.region);
    const readApiKey = keyReaders.get(name);
    if (!readApiKey) continue;
    if (configured === undefined) {
      const isNeeded = isCountedOn(name, loaded) || (callsProviders && !simulated && isOfPinnedUser(name, merged));
      if (isNeeded || readApiKey({ refresh: false }) !== undefined) {
        const message = `is missing${variable ? `, and so is ${variable}` : ''}`;
        problems.push(loaded.describe({ path: ['providers', name, 'baseUrl'], code: 'missing', message }));
      }
      if (!simulated) continue;
    }
    const checked = baseUrlSchema.safeParse(configured ?? simulatedBaseUrl);
    if (!checked.success) {
      problems.push(`${variable ?? name}: ${checked.error.issues.map((issue) => issue.message).join('; ')}`);
      continue;
    }
    providers.push({
      name,
      kind,
      baseUrl: checked.data.replace(/\/+$/, ''),
      readApiKey,
      maxConnections: provider.maxConnections ?? providerDefaults.maxConnections,
      maxResponseBytes: provider.maxResponseBytes ?? providerDefaults.maxResponseBytes,
      sendTraceparent: provider.sendTraceparent ?? false,
    });
  }
  return { providers, simulated, problems };
}

const noKey: ApiKeyReader = () => undefined;

function keyReaderOf(name: string, { merged, loaded, environment, workingDirectory }: Sources): ApiKeyReader {
  const provider = merged.providers.get(name);
  // The file's settings for a provider's key replace all defaults for it: `apiKeyFile` alone means no variable.
  const own = loaded.config.providers?.[name];
  const variable = own?.apiKeyFile && !own.apiKeyEnv ? undefined : provider?.apiKeyEnv;
  const file = provider?.apiKeyFile && path.resolve(path.dirname(loaded.file ?? ''), provider.apiKeyFile);
  return createApiKeyReader({ variable, file }, environment, workingDirectory);
}

/** No provider of any arm can be called: each needs a key, and none has one. */
function isSimulated(merged: MergedConfig, keyReaders: ReadonlyMap<string, ApiKeyReader>): boolean {
  const targets = [...merged.arms.values(), ...merged.chains.values()].flatMap((arm) => arm.targets.flatMap(membersOf));
  return targets.every(({ provider: name }) => {
    const provider = merged.providers.get(name);
    const needsKey = provider?.apiKeyEnv !== undefined || provider?.apiKeyFile !== undefined;
    return needsKey && keyReaders.get(name)?.({ refresh: false }) === undefined;
  });
}

function isCountedOn(name: string, { config }: LoadedConfigFile): boolean {
  const isTarget = placedTargets(config).some(({ target }) => calls(target, name));
  return isTarget || providersOfOfferedModels(config).includes(name) || Object.hasOwn(config.providers ?? {}, name);
}

function isOfPinnedUser(name: string, { arms, pinnedUsers }: MergedConfig): boolean {
  const targets = [...pinnedUsers.values()].flatMap((arm) => arms.get(arm)?.targets ?? []);
  return targets.some((target) => calls(target, name));
}

function calls(target: TargetConfig, provider: string): boolean {
  return membersOf(target).some((member) => member.provider === provider);
}

/** Where a provider's key is. If neither is set, the provider needs no key. */
interface KeySource {
  /** Name of an environment variable; the same name with `_FILE` may name a file instead. */
  readonly variable: string | undefined;
  readonly file: string | undefined;
}

type ApiKeyReader = (options: { readonly refresh: boolean }) => string | undefined;

/**
 * Reads the key once, and again from `.env` or the key file on `refresh`: these can change, the environment of a running
 * process cannot. Throws if the first read finds a key that cannot be used; the error never contains it.
 */
function createApiKeyReader(source: KeySource, environment: Variables, workingDirectory: string): ApiKeyReader {
  let current = readKey(source, environment, workingDirectory);
  return ({ refresh }) => {
    if (!refresh) return current;
    try {
      current = readKey(source, environment, workingDirectory);
    } catch {
      // The file is being replaced or has no key right now: keep the current key.
      return current;
    }
    return current;
  };
}

function readKey(source: KeySource, environment: Variables, workingDirectory: string): string | undefined {
  if (source.file) return readKeyFile(source.file);
  if (!source.variable) return undefined;
  for (const variables of [environment, readDotEnv(workingDirectory)]) {
    const key = valueOf(variables, source.variable);
    const file = valueOf(variables, `${source.variable}_FILE`);
    if (key && file) throw new Error(`${source.variable} and ${source.variable}_FILE are both set: keep one`);
    if (key) return checkedKey(key, source.variable);
    if (file) return readKeyFile(path.resolve(workingDirectory, file), `${source.variable}_FILE: `);
  }
  return undefined;
}

function readKeyFile(file: string, prefix = ''): string {
  let content: string;
  try {
    content = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new Error(`${prefix}the key file ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`, {
      cause: error,
    });
  }
  if (!content) throw new Error(`${prefix}the key file ${file} is empty`);
  return checkedKey(content, `${prefix}the key file ${file}`);
}

/** A key travels in an HTTP header, which allows only printable ASCII. */
function checkedKey(key: string, where: string): string {
  if (/[^\x21-\x7e]/.test(key)) {
    throw new Error(`${where}: the key contains a space, a line break or another character that no key has`);
  }
  return key;
}
