import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiKeys } from '../contract/api-keys';
import { makePrivateDirectory } from '../platform/private-directory';
import { createApiKey } from './api-key';
import { checkApiKey } from './check-api-key';

/** Its owner alone may read it. */
const ownerOnly = 0o600;

/**
 * A key for whoever runs a service on their own machine, kept in the data directory so that it is the same after a
 * restart. A new one is made when there is none, or the ledger does not let it in any more.
 */
export async function localKey(keys: ApiKeys, dataDirectory: string): Promise<string> {
  const file = join(dataDirectory, 'local-api-key');
  const nowMs = Date.now();
  const kept = await readFile(file, 'utf8').catch(() => '');
  if ((await checkApiKey(keys, kept.trim(), nowMs)).kind === 'valid') return kept.trim();

  const { id, text, secretHash } = createApiKey();
  makePrivateDirectory(dataDirectory);
  await writeFile(file, `${text}\n`, { mode: ownerOnly });
  await keys.create({
    id,
    name: 'local',
    role: 'chat',
    dayNanoUsd: null,
    totalNanoUsd: null,
    models: null,
    requestsPerMinute: null,
    createdAtMs: nowMs,
    expiresAtMs: null,
    secretHash,
  });
  return text;
}
