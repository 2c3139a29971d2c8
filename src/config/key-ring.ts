import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { KeyRing } from '../contract/key-ring';
import { errorMessage } from '../contract/failures';

/** The length of an AES-256 key; more would not make HMAC-SHA-256 any stronger. */
const keyBytes = 32;

/**
 * `NAME=2026-11:<base64>,2026-05:<base64>`: the first key is the active one. `NAME_FILE` names a file with the same
 * content, with one entry per line or separated by commas. Undefined if neither is set, or if there are problems.
 * Errors name an entry by its place, since what looks like an id may be half a key.
 */
export function readKeyRing(
  variable: string,
  variables: Readonly<Record<string, string>>,
  workingDirectory: string,
): { readonly ring: KeyRing | undefined; readonly problems: readonly string[] } {
  let text: string | undefined;
  try {
    text = readSecretText(variable, variables, workingDirectory);
  } catch (error) {
    return { ring: undefined, problems: [errorMessage(error)] };
  }
  if (text === undefined) return { ring: undefined, problems: [] };

  const problems: string[] = [];
  const keys = new Map<string, Uint8Array>();
  const entries = text.split(/[\s,]+/).filter((entry) => entry !== '');
  for (const [index, entry] of entries.entries()) {
    const where = `${variable}: entry ${index + 1}`;
    const [, id, encoded] = /^([A-Za-z0-9._-]{1,64}):([A-Za-z0-9+/]+={0,2})$/.exec(entry) ?? [];
    if (!id || !encoded) {
      problems.push(`${where} is not id:base64: an id of letters, digits, ".", "_" or "-", and a key in base64`);
      continue;
    }
    const key = Buffer.from(encoded, 'base64');
    if (key.length !== keyBytes) {
      problems.push(`${where} has ${key.length} bytes, but a key needs ${keyBytes}: openssl rand -base64 32 makes one`);
    } else if (keys.has(id)) {
      problems.push(`${where} has the same id as an earlier entry`);
    } else {
      keys.set(id, new Uint8Array(key));
    }
  }
  const activeKeyId = keys.keys().next().value;
  if (problems.length > 0) return { ring: undefined, problems };
  if (activeKeyId === undefined) return { ring: undefined, problems: [`${variable} holds no key`] };
  return { ring: { activeKeyId, keys }, problems };
}

/** The value of a secret, or the content of the file that `NAME_FILE` names. @throws if both are set, or the file cannot be read */
export function readSecretText(
  variable: string,
  variables: Readonly<Record<string, string>>,
  workingDirectory: string,
): string | undefined {
  const value = variables[variable];
  const configuredFile = variables[`${variable}_FILE`];
  if (value && configuredFile) throw new Error(`${variable} and ${variable}_FILE are both set: keep one`);
  if (!configuredFile) return value;
  const file = path.resolve(workingDirectory, configuredFile);
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`${variable}_FILE: ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`, {
      cause: error,
    });
  }
}

/** A mistyped name must not be ignored, because then what it should protect would be unprotected. */
export function misspelledNames(
  prefix: string,
  variables: Readonly<Record<string, string>>,
  known: readonly string[],
): readonly string[] {
  const [meant] = known;
  return Object.keys(variables)
    .filter((name) => name.startsWith(prefix) && !known.includes(name))
    .map((name) => `${name} is not a setting: did you mean ${meant}?`);
}
