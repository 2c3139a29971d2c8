import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDirectory } from '../platform/private-directory';

/** Its owner alone may read it. */
const ownerOnly = 0o600;

/** The secret in the link to the UI, kept in the data directory so that link and cookie are the same after a restart. */
export async function uiToken(dataDirectory: string): Promise<string> {
  const file = join(dataDirectory, 'temporal-ui-token');
  const kept = (await readFile(file, 'utf8').catch(() => '')).trim();
  // A file that was cut off, or emptied, must not become a token that can be guessed.
  if (/^[\w-]{43}$/.test(kept)) return kept;
  const token = randomBytes(32).toString('base64url');
  makePrivateDirectory(dataDirectory);
  await writeFile(file, `${token}\n`, { mode: ownerOnly });
  return token;
}
