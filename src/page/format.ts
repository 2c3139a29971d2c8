import { formatDuration } from '../domain/rollout/clock';

/** Numbers, money and times for the viewer: numbers by the browser's locale, times in its time zone, with UTC beside them. */

/** Stands for a value that nobody knows; elements.tsx says so to screen readers, too. */
export const missing = '–';

/** `null` and `undefined` mean the browser's locale to Intl. */
const locale = undefined;

const counts = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const shares = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 2 });
const percents = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 1 });
const decimals = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const seconds = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const amounts = moneyFormat(2);
const smallAmounts = moneyFormat(6);
const localTimes = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' });
const shortTimes = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' });
const shortDays = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' });

function moneyFormat(fractionDigits: number): Intl.NumberFormat {
  const digits = { minimumFractionDigits: fractionDigits, maximumFractionDigits: fractionDigits };
  return new Intl.NumberFormat(locale, {
    style: 'currency',
    currency: 'USD',
    currencyDisplay: 'narrowSymbol',
    ...digits,
  });
}

/** `12,345`. */
export function formatCount(count: number): string {
  return counts.format(count);
}

/** A share from 0 to 1 as `99.71%`. Never rounded up to 100% or down to 0%: one failure in a million must stay visible. */
export function formatShare(share: number): string {
  if (share > 0.9999 && share < 1) return `>${shares.format(0.9999)}`;
  if (share > 0 && share < 0.0001) return `<${shares.format(0.0001)}`;
  return shares.format(share);
}

/** A percent from 0 to 100 as `25%`. */
export function formatPercent(percent: number): string {
  return percents.format(percent / 100);
}

/** `99.14%–99.9%`. */
export function formatInterval({ low, high }: { readonly low: number; readonly high: number }): string {
  return `${formatShare(low)}–${formatShare(high)}`;
}

/** `5.1`: evidence, which needs no more digits. */
export function formatEvidence(value: number): string {
  return decimals.format(value);
}

/** `$12.34`; below a dollar `$0.001234`, because a turn costs fractions of a cent. */
export function formatUsd(nanoUsd: number): string {
  return isSmall(nanoUsd) ? smallAmounts.format(nanoUsd / 1e9) : amounts.format(nanoUsd / 1e9);
}

/** Six decimals whatever the amount, as the command line prints it. */
export function formatExactUsd(nanoUsd: number): string {
  return smallAmounts.format(nanoUsd / 1e9);
}

function isSmall(nanoUsd: number): boolean {
  return nanoUsd !== 0 && Math.abs(nanoUsd) < 1e9;
}

/** `840 ms`, from ten seconds on `12.3 s`. */
export function formatLatency(ms: number): string {
  return ms < 10_000 ? `${counts.format(ms)} ms` : `${seconds.format(ms / 1000)} s`;
}

/** `30 Nov 2026, 17:10:05` in the viewer's time zone. */
export function formatLocalTime(atMs: number): string {
  return localTimes.format(atMs);
}

/** `17:10`. */
export function formatClock(atMs: number): string {
  return shortTimes.format(atMs);
}

/** `30 Nov`. */
export function formatDay(atMs: number): string {
  return shortDays.format(atMs);
}

/** `2026-11-30 17:10:05 UTC`, as the command line and the logs write it. */
export function formatUtcTime(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** `in 4 min 10 s`, `12 s ago`. */
export function formatDistance(atMs: number, nowMs: number): string {
  const distanceMs = atMs - nowMs;
  if (Math.abs(distanceMs) < 1000) return 'now';
  return distanceMs > 0 ? `in ${formatWholeDuration(distanceMs)}` : `${formatWholeDuration(-distanceMs)} ago`;
}

/** Two units at most, and no milliseconds: what counts down by the second would flicker. */
export function formatWholeDuration(ms: number): string {
  const day = 24 * 3600 * 1000;
  if (ms < 2 * day) return formatDuration(Math.max(0, Math.floor(ms / 1000) * 1000));
  const hours = Math.floor((ms % day) / 3_600_000);
  return `${formatCount(Math.floor(ms / day))} days${hours > 0 ? ` ${hours} h` : ''}`;
}
