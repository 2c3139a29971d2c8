import { existsSync } from 'node:fs';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { errorMessage } from '../contract/failures';
import { defaultTaskQueue } from '../contract/names';
import { embeddedServerAddress } from '../temporal-server/data-file';
import { readDataDirectory } from './data-directory';
import { readEncryption } from './encryption';
import { mergeVariables, readDotEnv, type Variables } from './environment';
import { readIdKey } from './id-key';
import { type Settings, SettingsError, type TemporalSettings } from './settings';

/** Temporal's default: where its development server listens. */
const defaultAddress = 'localhost:7233';

/** What a client needs to reach the service, without providers, prices and budgets. @throws {SettingsError} */
export function readConnectionSettings(
  environment: Variables = process.env,
  workingDirectory: string = process.cwd(),
): Pick<Settings, 'temporal' | 'encryption' | 'idKey'> {
  const variables = mergeVariables(environment, readDotEnv(workingDirectory));
  const { temporal, problems: temporalProblems } = readTemporal(variables);
  const { encryption, problems: encryptionProblems } = readEncryption(variables, workingDirectory);
  const { idKey, problems: idKeyProblems } = readIdKey(variables, workingDirectory);
  const problems = [...temporalProblems, ...encryptionProblems, ...idKeyProblems];
  if (problems.length > 0) throw new SettingsError(problems);
  return { temporal: withKnownAddress(temporal, readDataDirectory(variables, workingDirectory)), encryption, idKey };
}

/** The configured address, else the server that `up` runs in this data directory, else Temporal's default. */
export function withKnownAddress(temporal: TemporalSettings, dataDirectory: string): TemporalSettings {
  if (temporal.address !== undefined) return temporal;
  const address = embeddedServerAddress(dataDirectory) ?? defaultAddress;
  return { ...temporal, address, connectionOptions: { ...temporal.connectionOptions, address } };
}

const notConfigured: TemporalSettings = {
  address: undefined,
  namespace: 'default',
  taskQueue: defaultTaskQueue,
  connectionOptions: {},
};

/** Temporal's own environment (`TEMPORAL_ADDRESS`, …) and `temporal.toml`, as all its tools read them. */
export function readTemporal(variables: Readonly<Record<string, string>>): {
  readonly temporal: TemporalSettings;
  readonly problems: readonly string[];
} {
  const file = variables['TEMPORAL_CONFIG_FILE'];
  if (file && !existsSync(file)) {
    return { temporal: notConfigured, problems: [`TEMPORAL_CONFIG_FILE: there is no file ${file}`] };
  }
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: { ...variables } });
    const { address, tls, apiKey, metadata } = connectionOptions;
    return {
      temporal: {
        address,
        namespace: namespace ?? notConfigured.namespace,
        taskQueue: variables['BELLWETHER_TASK_QUEUE'] ?? defaultTaskQueue,
        connectionOptions: {
          ...(address !== undefined && { address }),
          ...(tls !== undefined && { tls }),
          ...(typeof apiKey === 'string' && { apiKey }),
          ...(metadata !== undefined && { metadata: metadata as Record<string, string> }),
        },
      },
      problems: [],
    };
  } catch (error) {
    // Only the first line: a syntax error continues with an excerpt of the file, which may contain a key.
    const [reason] = errorMessage(error).split('\n');
    return { temporal: notConfigured, problems: [`Temporal's configuration (TEMPORAL_…, temporal.toml): ${reason}`] };
  }
}
