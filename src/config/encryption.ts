import { readFileSync } from 'node:fs';
import path from 'node:path';
import { errorMessage } from '../contract/failures';
import type { EncryptionSettings } from './settings';

const variable = 'BELLWETHER_ENCRYPTION_KEYS';
const keyBytes = 32; // AES-256

/**
 * `BELLWETHER_ENCRYPTION_KEYS=2026-11:<base64>,2026-05:<base64>`: the first key encrypts, all of them decrypt.
 * `BELLWETHER_ENCRYPTION_KEYS_FILE` names a file with the same content, with one entry per line or separated by commas.
 * Errors name an entry by its place, since what looks like an id may be half a key.
 */
export function readEncryption(
  variables: Readonly<Record<string, string>>,
  workingDirectory: string,
): { readonly encryption: EncryptionSettings | undefined; readonly problems: readonly string[] } {
  const problems = Object.keys(variables)
    .filter((name) => name.startsWith('BELLWETHER_ENCRYPTION') && name !== variable && name !== `${variable}_FILE`)
    // If we ignored it, a mistyped name would mean no encryption.
    .map((name) => `${name} is not a setting: did you mean ${variable}?`);

  let text: string | undefined;
  try {
    text = readKeyText(variables, workingDirectory);
  } catch (error) {
    problems.push(errorMessage(error));
  }
  if (text === undefined) return { encryption: undefined, problems };

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
  if (problems.length > 0) return { encryption: undefined, problems };
  if (activeKeyId === undefined) return { encryption: undefined, problems: [`${variable} holds no key`] };
  return { encryption: { activeKeyId, keys }, problems };
}

function readKeyText(variables: Readonly<Record<string, string>>, workingDirectory: string): string | undefined {
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
