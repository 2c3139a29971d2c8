import { Command } from 'commander';
import { formatUsd, toUsd } from '../../domain/prices';
import type { ListedApiKey } from '../../ledger/api-keys';
import { exitStatusHelp } from '../exit-status';
import { renderTable, writeJson, writeLines } from '../output';
import { withLedger } from '../with-ledger';
import { formatTime } from '../words';
import { formatCap, keyAsJson, stateOf } from './key-words';

/** `bellwether keys list`: every key but its secret, which is kept nowhere. */
export function listCommand(): Command {
  return new Command('list')
    .description('show all API keys: their budgets and what is spent of them, models, expiry, state')
    .option('--json', 'print JSON, amounts in US dollars')
    .addHelpText(
      'after',
      `\nUnconfirmed attempts count as spent, at their worst case. Days are UTC days. ${exitStatusHelp}`,
    )
    .action(async ({ json }: { json?: boolean }) => {
      const nowMs = Date.now();
      const keys = await withLedger(
        (ledger) => ledger.keys.list(nowMs),
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
      { title: 'spent in all', align: 'right' },
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
