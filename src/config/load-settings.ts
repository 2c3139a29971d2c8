import path from 'node:path';
import envPaths from 'env-paths';
import type { Policy } from '../contract/policy';
import { readAuditKeys } from './audit-keys';
import { findConfigFile, loadConfigFile, type LoadedConfigFile, noConfigFile } from './config-file';
import { readTemporal } from './connection-settings';
import { readDataDirectory } from './data-directory';
import { defaultConfig } from './defaults';
import { readEncryption } from './encryption';
import { mergeVariables, readDotEnv, type Variables } from './environment';
import { readIdKey } from './id-key';
import { resolveNotify } from './notify';
import { crossCheck, mergeConfig, resolvePolicy } from './policy';
import { resolveProviders } from './providers';
import { type Settings, SettingsError } from './settings';
import { readTracing } from './tracing';

export interface LoadSettingsOptions {
  /** Default: the process's own. */
  readonly environment?: Variables;
  /** Where `.env`, the configuration file and relative paths are. Default: the process's own. */
  readonly workingDirectory?: string;
  /** Overrides `BELLWETHER_CONFIG`. */
  readonly configFile?: string;
  /**
   * False for a process that leaves the calls to others: it needs no provider keys, and offers providers with an address.
   * Default: true.
   */
  readonly callsProviders?: boolean;
}

/**
 * Reads the environment, `.env` (which the environment overrides), the optional configuration file and Temporal's own
 * configuration. Throws a SettingsError that lists everything that is wrong with them.
 */
export function loadSettings({
  environment = process.env,
  workingDirectory = process.cwd(),
  configFile,
  callsProviders = true,
}: LoadSettingsOptions = {}): Settings {
  const variables = mergeVariables(environment, readDotEnv(workingDirectory));
  const problems: string[] = [];
  const take = <T extends { readonly problems: readonly string[] }>(part: T): T => {
    problems.push(...part.problems);
    return part;
  };

  const loaded = take(readFile(workingDirectory, configFile ?? variables['BELLWETHER_CONFIG']));
  const merged = mergeConfig(loaded.config);
  problems.push(...crossCheck(merged, loaded).map(loaded.describe));
  const { providers, simulated } = take(
    resolveProviders({ merged, loaded, environment, variables, workingDirectory, callsProviders }),
  );
  const { notify } = take(resolveNotify({ loaded, environment, workingDirectory }));
  const { temporal } = take(readTemporal(variables));
  const { encryption } = take(readEncryption(variables, workingDirectory));
  const { idKey } = take(readIdKey(variables, workingDirectory));
  const { auditKeys } = take(readAuditKeys(variables, workingDirectory));
  const { logLevel } = take(readLogLevel(variables));
  const { databaseUrl } = take(readDatabaseUrl(variables));
  const { redisUrl } = take(readRedisUrl(variables));
  const { metrics } = take(readMetrics(variables));
  if (problems.length > 0) throw new SettingsError(problems);

  return {
    temporal,
    policy: withoutArmsOfMissingProviders(resolvePolicy(merged, loaded.config), new Set(providers.map((p) => p.name))),
    providers,
    simulated,
    databaseUrl,
    redisUrl,
    logLevel,
    dataDirectory: readDataDirectory(variables, workingDirectory),
    cacheDirectory: path.resolve(
      workingDirectory,
      variables['BELLWETHER_CACHE_DIR'] ?? envPaths('bellwether', { suffix: '' }).cache,
    ),
    encryption,
    auditKeys,
    idKey,
    gateway: { ...defaultConfig.gateway, ...loaded.config.gateway },
    metrics,
    tracing: readTracing(variables),
    notify,
  };
}

function readFile(workingDirectory: string, configured: string | undefined): LoadedConfigFile {
  try {
    const file = findConfigFile(workingDirectory, configured);
    return file ? loadConfigFile(file) : noConfigFile;
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return { ...noConfigFile, problems: error.problems };
  }
}

/** Drops the default legacy arm if its provider has no address. */
function withoutArmsOfMissingProviders(policy: Policy, present: ReadonlySet<string>): Policy {
  const usable = Object.entries(policy.arms).filter(([, arm]) =>
    arm.targets.every((target) => present.has(target.provider)),
  );
  return { ...policy, arms: Object.fromEntries(usable) };
}

type Read<Key extends keyof Settings> = Pick<Settings, Key> & { readonly problems: readonly string[] };

/** Python's level names, which the migration guide's `.env` uses, mean the same here. */
const logLevels: ReadonlyMap<string, Settings['logLevel']> = new Map([
  ['debug', 'debug'],
  ['info', 'info'],
  ['warn', 'warn'],
  ['warning', 'warn'],
  ['error', 'error'],
  ['critical', 'error'],
]);

function readLogLevel(variables: Readonly<Record<string, string>>): Read<'logLevel'> {
  const text = variables['LOG_LEVEL'] ?? 'info';
  const logLevel = logLevels.get(text.toLowerCase());
  if (logLevel) return { logLevel, problems: [] };
  return { logLevel: 'info', problems: [`LOG_LEVEL: must be one of DEBUG, INFO, WARN and ERROR, not "${text}"`] };
}

/** Loopback unless given: metrics are served without a key. */
function readMetrics(variables: Readonly<Record<string, string>>): Read<'metrics'> {
  const host = variables['BELLWETHER_METRICS_HOST'] ?? '127.0.0.1';
  const text = variables['BELLWETHER_METRICS_PORT'];
  const port = text === undefined ? undefined : Number(text);
  if (text === undefined || (/^\d{1,5}$/.test(text) && Number(text) <= 65_535)) {
    return { metrics: { host, port }, problems: [] };
  }
  const problem = `BELLWETHER_METRICS_PORT: must be a port from 0 to 65535, where 0 is any free one, not "${text}"`;
  return { metrics: { host, port: undefined }, problems: [problem] };
}

function readDatabaseUrl(variables: Readonly<Record<string, string>>): Read<'databaseUrl'> {
  const { value: databaseUrl, problems } = readUrl(variables, 'DATABASE_URL', ['postgres:', 'postgresql:']);
  return { databaseUrl, problems };
}

function readRedisUrl(variables: Readonly<Record<string, string>>): Read<'redisUrl'> {
  const { value: redisUrl, problems } = readUrl(variables, 'REDIS_URL', ['redis:', 'rediss:']);
  return { redisUrl, problems };
}

/** These URLs contain passwords, so a problem never repeats them. */
function readUrl(variables: Readonly<Record<string, string>>, name: string, protocols: readonly string[]) {
  const value = variables[name];
  if (value === undefined) return { value, problems: [] };
  const isUsable = URL.canParse(value) && protocols.includes(new URL(value).protocol);
  const expected = protocols.map((protocol) => `${protocol}//…`).join(' or ');
  return { value, problems: isUsable ? [] : [`${name}: must be a URL that begins with ${expected}`] };
}
