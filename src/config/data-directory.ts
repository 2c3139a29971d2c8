import { accessSync, constants, readdirSync } from 'node:fs';
import path from 'node:path';
import { makePrivateDirectory } from '../platform/private-directory';
import { errorMessage } from '../contract/failures';
import { type Settings, SettingsError } from './settings';

/** Where ledger and embedded server keep their files: `.bellwether` in the working directory unless told otherwise. */
export function readDataDirectory(variables: Readonly<Record<string, string>>, workingDirectory: string): string {
  return path.resolve(workingDirectory, variables['BELLWETHER_DATA_DIR'] ?? '.bellwether');
}

/** Makes it where there is none. @throws {SettingsError} when this user cannot write in it */
export function prepareDataDirectory(dataDirectory: string): void {
  try {
    makePrivateDirectory(dataDirectory);
    accessSync(dataDirectory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw unfit(dataDirectory, error);
  }
}

/** The same for who opens the ledger and needs the directory for nothing else: with a database it is not needed. */
export function prepareLedgerDirectory({ databaseUrl, dataDirectory }: Settings): void {
  if (databaseUrl === undefined) prepareDataDirectory(dataDirectory);
}

/** For who only reads: nothing is made, and where nothing is nothing is wrong. @throws {SettingsError} */
export function checkLedgerDirectory({
  databaseUrl,
  dataDirectory,
}: Pick<Settings, 'databaseUrl' | 'dataDirectory'>): void {
  if (databaseUrl !== undefined) return;
  try {
    readdirSync(dataDirectory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unfit(dataDirectory, error);
  }
}

function unfit(dataDirectory: string, cause: unknown): SettingsError {
  return new SettingsError([
    `BELLWETHER_DATA_DIR: ${dataDirectory} cannot be used: ${errorMessage(cause)}. Name a directory in which this user may write (default: .bellwether here).`,
  ]);
}
