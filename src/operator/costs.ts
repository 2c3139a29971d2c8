import { toUsd } from '../domain/turn/prices';
import type { CostDimension, CostPeriod, CostRow, CostTotals, Ledger } from '../contract/ledger';

export interface CostSummary {
  readonly totals: CostTotals;
  readonly dayCapNanoUsd: number;
  /** What is left of today's cap, counting unconfirmed attempts as spent and ignoring reservations. */
  readonly remainingTodayNanoUsd: number;
  /** The mean of the days with any spending, times 30. */
  readonly monthlyNanoUsd: number;
  /** The migration guide's estimate: the total times 30, correct only if the total is one day's. */
  readonly guideMonthlyNanoUsd: number;
}

/** The ledger's spending in a period, in total and by dimension. */
export interface Costs {
  /** The ledger's name: `SQLite /path/ledger.db`. */
  readonly ledger: string;
  readonly summary: CostSummary;
  readonly rows: readonly CostRow[];
  /** Whether there are more rows than `maxRows`. */
  readonly isCut: boolean;
}

export interface CostQuery {
  /** One to three different dimensions. */
  readonly by: readonly CostDimension[];
  readonly period: CostPeriod;
  /** The newest days, or the highest costs, come first; of several dimensions, rows are in the order of their keys. */
  readonly maxRows: number;
}

export async function readCosts(ledger: Ledger, dayCapNanoUsd: number, query: CostQuery): Promise<Costs> {
  const { by, period, maxRows } = query;
  const [totals, days, rows] = await Promise.all([
    ledger.costTotals(period),
    // Today's row is the first, or the second if another process is already past midnight.
    ledger.costsBy('day', 2),
    ledger.costsBy(by, maxRows + 1, period),
  ]);
  const summary = summarise(totals, days, dayCapNanoUsd);
  return { ledger: ledger.database, summary, rows: rows.slice(0, maxRows), isCut: rows.length > maxRows };
}

/** Without a ledger, nothing was spent. */
export function noCostsYet(dayCapNanoUsd: number): CostSummary {
  return summarise(noCosts, [], dayCapNanoUsd);
}

const daysPerMonth = 30;

const noCosts: CostTotals = {
  turns: 0,
  attempts: 0,
  tokens: 0,
  costNanoUsd: 0,
  unconfirmedNanoUsd: 0,
  overReservedNanoUsd: 0,
  disbelievedCalls: 0,
  reservedNanoUsd: 0,
  days: 0,
  today: '',
};

/** `days` are rows by UTC day, including today's if there is one. */
export function summarise(totals: CostTotals, days: readonly CostRow[], dayCapNanoUsd: number): CostSummary {
  const today = days.find(({ key }) => key === totals.today);
  const spentToday = (today?.costNanoUsd ?? 0) + (today?.unconfirmedNanoUsd ?? 0);
  const { costNanoUsd, days: spendingDays } = totals;
  return {
    totals,
    dayCapNanoUsd,
    remainingTodayNanoUsd: Math.max(0, dayCapNanoUsd - spentToday),
    monthlyNanoUsd: monthlyCost(costNanoUsd, spendingDays),
    guideMonthlyNanoUsd: costNanoUsd * daysPerMonth,
  };
}

/** The mean of the days with any spending, times 30. */
export function monthlyCost(costNanoUsd: number, spendingDays: number): number {
  return Math.round((costNanoUsd * daysPerMonth) / Math.max(spendingDays, 1));
}

export function summaryAsJson({ totals, ...summary }: CostSummary): object {
  return {
    total_cost: toUsd(totals.costNanoUsd),
    total_cost_nano_usd: totals.costNanoUsd,
    total_tokens: totals.tokens,
    total_turns: totals.turns,
    total_attempts: totals.attempts,
    unconfirmed: toUsd(totals.unconfirmedNanoUsd),
    unconfirmed_nano_usd: totals.unconfirmedNanoUsd,
    over_reservation: toUsd(totals.overReservedNanoUsd),
    disbelieved_calls: totals.disbelievedCalls,
    reserved: toUsd(totals.reservedNanoUsd),
    estimated_monthly_cost: toUsd(summary.monthlyNanoUsd),
    estimated_from_days: totals.days,
    guide_estimated_monthly_cost: toUsd(summary.guideMonthlyNanoUsd),
    remaining_budget: toUsd(summary.remainingTodayNanoUsd),
    day_cap: toUsd(summary.dayCapNanoUsd),
  };
}

export function rowAsJson(row: CostRow): object {
  return {
    key: row.key,
    ...(row.keys !== undefined && { keys: row.keys }),
    ...(row.name !== undefined && { name: row.name }),
    ...(row.flags !== undefined && { flags: row.flags }),
    turns: row.turns,
    attempts: row.attempts,
    tokens: row.tokens,
    cost: toUsd(row.costNanoUsd),
    cost_nano_usd: row.costNanoUsd,
    unconfirmed: toUsd(row.unconfirmedNanoUsd),
    unconfirmed_nano_usd: row.unconfirmedNanoUsd,
    over_reservation: toUsd(row.overReservedNanoUsd),
    disbelieved_calls: row.disbelievedCalls,
  };
}
