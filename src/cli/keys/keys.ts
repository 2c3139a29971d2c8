import { Command } from 'commander';
import { isApiKeyId, parseApiKey } from '../../access/api-key';
import type { ApiKey, ListedApiKey } from '../../contract/api-keys';
import type { Ledger } from '../../contract/ledger';
import { formatUsd, toUsd } from '../../domain/turn/prices';
import { formatTime } from '../../terminal/format';
import { renderTable, writeJson, writeLines } from '../../terminal/output';
import { withLedger } from '../../operator/open-ledger';
import { exitStatusHelp, UsageError } from '../exit-status';
import { createCommand } from './create';
import { formatCap, keyAsJson, stateOf } from './key-words';

/** `bellwether keys`: who may use the gateway, and what they may spend. */
export function keysCommand(): Command {
  const command = new Command('keys').description('manage API keys for the gateway');
  for (const subcommand of [createCommand(), listCommand(), revokeCommand()]) {
    command.addCommand(subcommand.exitOverride());
  }
  return command.addHelpText('after', '\nEach command has its own help: bellwether keys create --help');
}

/** `bellwether keys list`: every key without its secret, which is stored nowhere. */
function listCommand(): Command {
  return new Command('list')
    .description('show all API keys with their budgets, spending, models, expiry and state')
    .option('--json', 'print JSON, amounts in US dollars')
    .addHelpText(
      'after',
      `\nUnconfirmed attempts count as spent, at their worst case. Days are UTC days. ${exitStatusHelp}`,
    )
    .action(async ({ json }: { json?: boolean }) => {
      const nowMs = Date.now();
      const keys = await withLedger(
        (ledger) => ledger.keys.list(),
        () => [],
      );
      if (json) writeJson(keys.map((key) => listedAsJson(key, nowMs)));
      else if (keys.length > 0) writeLines([keyTable(keys, nowMs)]);
      else writeLines(['There is no API key yet. Make one: npx bellwether keys create --name my-service']);
    });
}

function keyTable(keys: readonly ListedApiKey[], nowMs: number): string {
  return renderTable(
    [
      { title: 'id' },
      { title: 'name' },
      { title: 'role' },
      { title: 'state' },
      { title: 'spent today', align: 'right' },
      { title: 'spent in total', align: 'right' },
      { title: 'models' },
      { title: 'per minute', align: 'right' },
      { title: 'expires' },
    ],
    keys.map((key) => [
      key.id,
      key.name,
      key.role,
      stateOf(key, nowMs),
      spending(key.spentTodayNanoUsd, key.dayNanoUsd),
      spending(key.spentNanoUsd, key.totalNanoUsd),
      key.models?.join(', ') ?? 'all',
      key.requestsPerMinute === null ? 'default' : `${key.requestsPerMinute}`,
      key.expiresAtMs === null ? 'never' : formatTime(key.expiresAtMs),
    ]),
  );
}

function spending(spentNanoUsd: number, capNanoUsd: number | null): string {
  return capNanoUsd === null ? formatUsd(spentNanoUsd) : `${formatUsd(spentNanoUsd)} of ${formatCap(capNanoUsd)}`;
}

function listedAsJson(key: ListedApiKey, nowMs: number): object {
  const spent = { spent_today_usd: toUsd(key.spentTodayNanoUsd), spent_usd: toUsd(key.spentNanoUsd) };
  return { ...keyAsJson(key, nowMs), ...spent };
}

/** `bellwether keys revoke`: the gateway refuses this key from now on. */
function revokeCommand(): Command {
  return new Command('revoke')
    .description('revoke a key: the gateway refuses it within a second; running turns are finished')
    .argument('<id>', 'id of the key, as `bellwether keys list` shows it')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nRevoking a key again changes nothing. A revoked key stays revoked: make a new one. ${exitStatusHelp}`,
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
      else writeLines([`Key ${id} (${key.name}) was already revoked, at ${formatTime(revokedAtMs)}.`]);
    });
}

/** Accepts the whole key in place of its id: whoever finds a leaked key has only that. */
function readId(text: string): string {
  const id = parseApiKey(text)?.id ?? text;
  if (isApiKeyId(id)) return id;
  // The error does not repeat it: it may be most of a key.
  throw new UsageError(
    'This is not the id of an API key. An id has 12 characters, 0 to 9 and a to f; `bellwether keys list` shows them all.',
  );
}

async function revoke(ledger: Ledger, id: string, atMs: number): Promise<ApiKey | null> {
  await ledger.keys.revoke(id, atMs);
  return ledger.keys.find(id);
}
