import { Command } from 'commander';
import { isApiKeyId, parseApiKey } from '../../access/api-key';
import type { ApiKey } from '../../ledger/api-keys';
import type { Ledger } from '../../ledger/ledger';
import { exitStatusHelp, UsageError } from '../exit-status';
import { writeJson, writeLines } from '../output';
import { withLedger } from '../with-ledger';
import { formatTime } from '../words';
import { keyAsJson } from './key-words';

/** `bellwether keys revoke`: from now on nobody gets in with this key. */
export function revokeCommand(): Command {
  return new Command('revoke')
    .description('let nobody in with this key any more, from within a second; turns that run are finished')
    .argument('<id>', 'of the key, as `bellwether keys list` shows it')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nRevoking a key again changes nothing. There is no way back: make a new key. ${exitStatusHelp}`,
    )
    .action(async (text: string, { json }: { json?: boolean }) => {
      const id = readId(text);
      const nowMs = Date.now();
      const key = await withLedger(
        (ledger) => revoke(ledger, id, nowMs),
        () => null,
      );
      if (key === null) {
        throw new Error(
          `There is no API key with the id ${id} in this ledger. \`bellwether keys list\` shows them all.`,
        );
      }
      const revokedAtMs = key.revokedAtMs ?? nowMs;
      if (json) writeJson(keyAsJson(key, nowMs));
      else if (revokedAtMs === nowMs) writeLines([`Key ${id} (${key.name}) is revoked.`]);
      else writeLines([`Key ${id} (${key.name}) was revoked before, at ${formatTime(revokedAtMs)}.`]);
    });
}

/** The whole key is taken for its id: who has found a leaked one has just that. */
function readId(text: string): string {
  const id = parseApiKey(text)?.id ?? text;
  if (isApiKeyId(id)) return id;
  // Not repeated: it may be a key, or most of one.
  throw new UsageError(
    'This is no id of an API key. An id has 12 characters, 0 to 9 and a to f; `bellwether keys list` shows them all.',
  );
}

async function revoke(ledger: Ledger, id: string, atMs: number): Promise<ApiKey | null> {
  await ledger.keys.revoke(id, atMs);
  return ledger.keys.find(id);
}
