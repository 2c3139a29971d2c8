import { mergeVariables, readDotEnv } from './environment';
import type { Variables } from './environment';
import { readEncryption } from './encryption';
import type { Settings } from './settings';
import { SettingsError } from './settings-error';
import { readTemporal } from './temporal';

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
  return { temporal, encryption };
}
