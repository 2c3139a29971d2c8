import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'dotenv';
import { SettingsError } from './settings-error';

/** Variables by name, as in `process.env`. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** The `.env` of a working directory, read anew at every call; empty when there is none. @throws {SettingsError} */
export function readDotEnv(workingDirectory: string): Variables {
  try {
    return parse(readFileSync(path.join(workingDirectory, '.env'), 'utf8'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return {};
    throw new SettingsError([`.env in ${workingDirectory} cannot be read: ${message}`]);
  }
}

/** What is empty is not set (compose files pass empty variables), nor is the guide's placeholder for a key. */
export function valueOf(variables: Variables, name: string): string | undefined {
  const value = variables[name]?.trim();
  return !value || /^YOUR_[A-Z0-9_]*KEY$/.test(value) ? undefined : value;
}

/** The real environment wins over `.env`; a variable that is set to nothing does not. */
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
