import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { keepPrivate, makePrivateDirectory } from '../platform/private-directory';
import { errorMessage } from '../contract/failures';
import { type Settings, SettingsError } from './settings';

/** Where the ledger and the embedded server keep their files; by default `.bellwether` in the working directory. */
export function readDataDirectory(variables: Readonly<Record<string, string>>, workingDirectory: string): string {
  return path.resolve(workingDirectory, variables['BELLWETHER_DATA_DIR'] ?? '.bellwether');
}

/** Of the files that this program and the embedded Temporal keep there, with those that SQLite puts beside them. */
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
    `Other users of this machine can read ${open.join(', ')}, and this user may not change that. They hold conversations and keys: let their owner take these rights away (chmod go= …), or name another BELLWETHER_DATA_DIR.`,
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
 * For a process that changes nothing: whether this user can write to it, or create it. Returns the directory, or the nearest
 * one above it that exists. @throws {SettingsError}
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
