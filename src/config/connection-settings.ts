import { embeddedServerAddress } from '../temporal-server/data-file';
import { readDataDirectory } from './data-directory';
import { readEncryption } from './encryption';
import { mergeVariables, readDotEnv } from './environment';
import type { Variables } from './environment';
import type { Settings, TemporalSettings } from './settings';
import { SettingsError } from './settings-error';
import { readTemporal } from './temporal';

/** Temporal's default: where its development server listens. */
const defaultAddress = 'localhost:7233';

/** What a client needs to reach the service: nothing of providers, prices or budgets. @throws {SettingsError} */
export function readConnectionSettings(
  environment: Variables = process.env,
  workingDirectory: string = process.cwd(),
): Pick<Settings, 'temporal' | 'encryption'> {
  const variables = mergeVariables(environment, readDotEnv(workingDirectory));
  const { temporal, problems: temporalProblems } = readTemporal(variables);
  const { encryption, problems: encryptionProblems } = readEncryption(variables, workingDirectory);
  const problems = [...temporalProblems, ...encryptionProblems];
  if (problems.length > 0) throw new SettingsError(problems);
  return { temporal: withKnownAddress(temporal, readDataDirectory(variables, workingDirectory)), encryption };
}

/** The configured address, else that of the server that `up` runs on this data directory, else Temporal's default. */
export function withKnownAddress(temporal: TemporalSettings, dataDirectory: string): TemporalSettings {
  if (temporal.address !== undefined) return temporal;
  const address = embeddedServerAddress(dataDirectory) ?? defaultAddress;
  return { ...temporal, address, connectionOptions: { ...temporal.connectionOptions, address } };
}
