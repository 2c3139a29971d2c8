import { readFileSync } from 'node:fs';
import path from 'node:path';
import { readDotEnv, valueOf, type Variables } from './environment';

/** Where a provider's key is. With neither, the provider needs none. */
export interface KeySource {
  /** Name of an environment variable; the same name with `_FILE` may name a file instead. */
  readonly variable: string | undefined;
  readonly file: string | undefined;
}

export type ApiKeyReader = (options: { readonly refresh: boolean }) => string | undefined;

/**
 * Reads the key once, and again from `.env` or the key file on `refresh`: the environment of a running process cannot
 * change, those can. Throws when the first reading finds a key that cannot be used; the error never holds it.
 */
export function createApiKeyReader(source: KeySource, environment: Variables, workingDirectory: string): ApiKeyReader {
  let current = readKey(source, environment, workingDirectory);
  return ({ refresh }) => {
    if (!refresh) return current;
    try {
      current = readKey(source, environment, workingDirectory);
    } catch {
      // The file is just being replaced, or holds no key now: the key at hand is still the best one there is.
      return current;
    }
    return current;
  };
}

function readKey(source: KeySource, environment: Variables, workingDirectory: string): string | undefined {
  if (source.file) return readKeyFile(source.file);
  if (!source.variable) return undefined;
  for (const variables of [environment, readDotEnv(workingDirectory)]) {
    const key = valueOf(variables, source.variable);
    const file = valueOf(variables, `${source.variable}_FILE`);
    if (key && file) throw new Error(`${source.variable} and ${source.variable}_FILE are both set: keep one`);
    if (key) return checked(key, source.variable);
    if (file) return readKeyFile(path.resolve(workingDirectory, file), `${source.variable}_FILE: `);
  }
  return undefined;
}

function readKeyFile(file: string, prefix = ''): string {
  let content: string;
  try {
    content = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new Error(`${prefix}the key file ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`, {
      cause: error,
    });
  }
  if (!content) throw new Error(`${prefix}the key file ${file} is empty`);
  return checked(content, `${prefix}the key file ${file}`);
}

/** A key travels in an HTTP header, which takes printable ASCII alone. */
function checked(key: string, where: string): string {
  if (/[^\x21-\x7e]/.test(key)) {
    throw new Error(`${where}: the key holds a space, a line break or another character that no key has`);
  }
  return key;
}
