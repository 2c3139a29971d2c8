import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { keepPrivate, makePrivateDirectory } from '../platform/private-directory';
import { errorMessage } from '../contract/failures';
import { type Settings, SettingsError } from './settings';

/** Where the ledger and the embedded server keep their files; by default `.bellwether` in the working directory. */
export function readDataDirectory(variables: Readonly<Record<string, string>>, workingDirectory: string): string {
  return path.resolve(workingDirectory, variables['BELLWETHER_DATA_DIR'] ?? '.bellwether');
}

/** The beginnings of the names of our files and the embedded Temporal's, including those that SQLite puts next to them. */
const ownFiles = ['ledger.db', 'temporal.db', 'temporal-server.log', 'temporal-ui-token', 'local-api-key'];

/**
 * Creates it if it is missing, and closes it and its files to other users. @throws {SettingsError} if this user cannot write
 * to it
 */
export function prepareDataDirectory(dataDirectory: string): void {
  try {
    makePrivateDirectory(dataDirectory);
    accessSync(dataDirectory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw unfit(dataDirectory, error);
  }
  const open = keepPrivate(dataDirectory, ownFiles);
  if (open.length === 0) return;
  process.emitWarning(
    `Other users of this machine can read ${open.join(', ')}, where conversations and keys are stored, and this user may not change that. Let the owner close them (chmod go= …), or set BELLWETHER_DATA_DIR to another directory.`,
  );
}

/** The same for a process that needs the directory only for the ledger: with PostgreSQL it does not need one. */
export function prepareLedgerDirectory({ databaseUrl, dataDirectory }: Settings): void {
  if (databaseUrl === undefined) prepareDataDirectory(dataDirectory);
}

/** For a process that only reads: creates nothing, and accepts a missing directory. @throws {SettingsError} */
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

/**
 * Checks, without changing anything, that this user can write to the directory or create it. Returns the directory, or the
 * nearest existing one above it. @throws {SettingsError}
 */
export function checkDataDirectory(dataDirectory: string): string {
  let existing = dataDirectory;
  while (!existsSync(existing)) existing = path.dirname(existing);
  try {
    accessSync(existing, constants.R_OK | constants.W_OK | constants.X_OK);
    return existing;
  } catch (error) {
    throw unfit(dataDirectory, error);
  }
}

function unfit(dataDirectory: string, cause: unknown): SettingsError {
  return new SettingsError([
    `BELLWETHER_DATA_DIR: ${dataDirectory} cannot be used: ${errorMessage(cause)}. Name a directory that this user can write to (default: .bellwether here).`,
  ]);
}
