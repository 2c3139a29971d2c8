import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'dotenv';
import { SettingsError } from './settings';

/** Variables by name, as in `process.env`. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** The `.env` of a working directory, read again at every call; empty if there is none. @throws {SettingsError} */
export function readDotEnv(workingDirectory: string): Variables {
  try {
    return parse(readFileSync(path.join(workingDirectory, '.env'), 'utf8'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return {};
    throw new SettingsError([`.env in ${workingDirectory} cannot be read: ${message}`]);
  }
}

/** An empty variable counts as not set (compose files pass those), and so does the guide's placeholder for a key. */
export function valueOf(variables: Variables, name: string): string | undefined {
  const value = variables[name]?.trim();
  return !value || /^YOUR_[A-Z0-9_]*KEY$/.test(value) ? undefined : value;
}

/** The real environment overrides `.env`; an empty variable does not. */
export function mergeVariables(environment: Variables, dotEnv: Variables): Readonly<Record<string, string>> {
  const merged: Record<string, string> = {};
  for (const variables of [dotEnv, environment]) {
    for (const name of Object.keys(variables)) {
      const value = valueOf(variables, name);
      if (value !== undefined) merged[name] = value;
    }
  }
  return merged;
}

/** Checks only for `LOG_LEVEL=debug`, to print an error even if the settings cannot be read. */
export function wantsDebugOutput(environment: Variables = process.env, workingDirectory = process.cwd()): boolean {
  let dotEnv: Variables;
  try {
    dotEnv = readDotEnv(workingDirectory);
  } catch {
    // That is the error that is about to be printed.
    dotEnv = {};
  }
  return mergeVariables(environment, dotEnv)['LOG_LEVEL']?.toLowerCase() === 'debug';
}

/** The prefix that a command in another terminal needs to find the same files; '' if it needs none. */
export function dataDirectoryPrefix(dataDirectory: string, environment: Variables = process.env): string {
  if (valueOf(environment, 'BELLWETHER_DATA_DIR') === undefined) return '';
  return `BELLWETHER_DATA_DIR=${shellQuoted(dataDirectory)} `;
}

/** Where programs are looked for. */
export function programSearchPath(environment: Variables = process.env): string {
  return environment['PATH'] ?? '';
}

/** A word for a POSIX shell, in quotes if it needs them. */
export function shellQuoted(word: string): string {
  return /^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
