import { formatUsd, toUsd } from '../../domain/turn/prices';
import type { ApiKey } from '../../contract/api-keys';
import { formatTime } from '../../terminal/format';

/** `$5.00`, with more decimals if the amount has them. */
export function formatCap(nanoUsd: number): string {
  return formatUsd(nanoUsd).replace(/0{1,4}$/, '');
}

/** What a key may do, in one line. */
export function limitsOf(key: Omit<ApiKey, 'revokedAtMs'>): string {
  const { dayNanoUsd, totalNanoUsd, models, requestsPerMinute, expiresAtMs } = key;
  return [
    dayNanoUsd === null ? 'no daily limit' : `${formatCap(dayNanoUsd)} per day`,
    totalNanoUsd === null ? 'no total limit' : `${formatCap(totalNanoUsd)} in total`,
    models === null ? 'all models' : models.join(', '),
    ...(requestsPerMinute === null ? [] : [`${requestsPerMinute} requests per minute`]),
    expiresAtMs === null ? 'does not expire' : `expires ${formatTime(expiresAtMs)}`,
  ].join(', ');
}

export function stateOf({ revokedAtMs, expiresAtMs }: ApiKey, nowMs: number): 'active' | 'revoked' | 'expired' {
  if (revokedAtMs !== null) return 'revoked';
  return expiresAtMs !== null && nowMs >= expiresAtMs ? 'expired' : 'active';
}

/** Times are ISO strings, money is in US dollars. */
export function keyAsJson(key: ApiKey, nowMs: number): object {
  return {
    id: key.id,
    name: key.name,
    role: key.role,
    state: stateOf(key, nowMs),
    day_usd: key.dayNanoUsd === null ? null : toUsd(key.dayNanoUsd),
    total_usd: key.totalNanoUsd === null ? null : toUsd(key.totalNanoUsd),
    models: key.models,
    requests_per_minute: key.requestsPerMinute,
    created_at: isoTime(key.createdAtMs),
    expires_at: isoTime(key.expiresAtMs),
    revoked_at: isoTime(key.revokedAtMs),
  };
}

function isoTime(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
