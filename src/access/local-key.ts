import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiKeys } from '../contract/api-keys';
import { makePrivateDirectory } from '../platform/private-directory';
import { createApiKey } from './api-key';
import { checkApiKey } from './check-api-key';

/** Only the owner may read the file. */
const ownerOnly = 0o600;

/** Clients chat with one key; the operator's page logs in with the other. */
const files = { chat: 'local-api-key', operator: 'local-operator-key' } as const;

/**
 * An API key of a service on a developer's machine, kept in the data directory so that it survives restarts. A new one is
 * created if there is none or if the ledger no longer accepts it.
 */
export async function localKey(keys: ApiKeys, dataDirectory: string, role: keyof typeof files): Promise<string> {
  const file = join(dataDirectory, files[role]);
  const nowMs = Date.now();
  const kept = await readFile(file, 'utf8').catch(() => '');
  if ((await checkApiKey(keys, kept.trim(), nowMs)).kind === 'valid') return kept.trim();

  const { id, text, secretHash } = createApiKey();
  makePrivateDirectory(dataDirectory);
  await writeFile(file, `${text}\n`, { mode: ownerOnly });
  await keys.create({
    id,
    name: 'local',
    role,
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
