import { type Command, InvalidArgumentError } from 'commander';
import type { CostPeriod } from '../contract/ledger';
import { UsageError } from './exit-status';

export interface PeriodFlags {
  readonly from?: string;
  readonly to?: string;
}

/** Adds `--from` and `--to`, in UTC days. */
export function addPeriod(command: Command, what: string): void {
  command
    .option('--from <date>', `${what} from this UTC day on: 2026-11-23, or the month 2026-11`, parseFirstDay)
    .option('--to <date>', `${what} up to this UTC day: 2026-11-23, or the whole month 2026-11`, parseLastDay);
}

/** @throws {UsageError} if the time ends before it begins */
export function periodOf({ from: fromDay, to: toDay }: PeriodFlags): CostPeriod {
  if (fromDay !== undefined && toDay !== undefined && fromDay > toDay) {
    throw new UsageError(`--to ${toDay} is before --from ${fromDay}.`);
  }
  return { fromDay, toDay };
}

function parseFirstDay(text: string): string {
  return dayOf(/^\d{4}-\d\d$/.test(text) ? `${text}-01` : text);
}

function parseLastDay(text: string): string {
  const [, year, month] = /^(\d{4})-(\d\d)$/.exec(text) ?? [];
  if (year === undefined || month === undefined) return dayOf(text);
  // Day 0 of the next month is the last one of this.
  const last = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  return dayOf(`${text}-${String(last).padStart(2, '0')}`);
}

function dayOf(text: string): string {
  const ms = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  // `Date.parse` takes 2026-02-30 for March 2.
  if (!Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text)) return text;
  throw new InvalidArgumentError(`'${text}' is not a day or month. Use a date such as 2026-11-23, or 2026-11.`);
}
