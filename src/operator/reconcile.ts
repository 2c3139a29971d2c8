import type { CostPeriod, InvoicedCall, Ledger } from '../contract/ledger';
import type { InvoiceLine } from './invoice';

/** How many calls or lines, and what they cost. */
export interface Amount {
  readonly count: number;
  readonly nanoUsd: number;
}

/** An invoice by day and model, against the ledger's calls of that day and model. */
export interface ReconciledDay {
  readonly day: string;
  /** As the invoice names it, or the ledger's name if it is not on the invoice. */
  readonly model: string;
  readonly invoicedNanoUsd: number;
  readonly confirmedNanoUsd: number;
  readonly unconfirmedNanoUsd: number;
  /** Of the unconfirmed amount: what the provider charged, and what it did not. */
  readonly chargedNanoUsd: number;
  readonly notChargedNanoUsd: number;
  /** What nothing in the ledger explains; negative: the invoice has less than what providers confirmed. */
  readonly unexplainedNanoUsd: number;
}

/** An invoice by call. */
export interface ReconciledCalls {
  /** Confirmed calls at the same amount. */
  readonly matching: Amount;
  /** Confirmed calls at another amount: how many, and the difference. Positive: the invoice is dearer. */
  readonly differing: Amount;
  /** Unconfirmed calls that are on the invoice, at its amount; and those that are not, at the ledger's worst case. */
  readonly charged: Amount;
  readonly notCharged: Amount;
  /** Confirmed calls that are not on the invoice. */
  readonly missing: Amount;
  /** Calls on the invoice that the ledger has as free: nothing was answered. */
  readonly chargedThoughFree: Amount;
  /** Lines without a call in the ledger. */
  readonly unknown: Amount;
  /** Some request ids of what does not match, at most 20. */
  readonly examples: readonly { readonly requestId: string; readonly what: string; readonly nanoUsd: number }[];
}

export interface Reconciliation {
  readonly provider: string;
  readonly period: CostPeriod;
  readonly invoicedNanoUsd: number;
  readonly confirmedNanoUsd: number;
  readonly unconfirmedNanoUsd: number;
  /** Of the unconfirmed amount. */
  readonly chargedNanoUsd: number;
  readonly notChargedNanoUsd: number;
  /** The sum of what nothing explains, without signs. */
  readonly unexplainedNanoUsd: number;
  /** One of the two. */
  readonly days: readonly ReconciledDay[] | null;
  readonly calls: ReconciledCalls | null;
}

/** Some 500 MB in memory. */
const maxReconciledCalls = 2_000_000;

/**
 * Compares an invoice with the ledger. Changes nothing.
 * @param period default: the days of the invoice
 * @throws if the period has calls of several providers and none is given, or too many calls
 */
export async function reconcile(
  ledger: Pick<Ledger, 'endedCalls'>,
  lines: readonly InvoiceLine[],
  { provider, period }: { readonly provider?: string | undefined; readonly period: CostPeriod },
): Promise<Reconciliation> {
  const covered = { ...daysOf(lines), ...definedOf(period) };
  const all = await ledger.endedCalls(covered, maxReconciledCalls);
  if (all.length > maxReconciledCalls) {
    throw new Error(
      `The ledger has more than ${maxReconciledCalls.toLocaleString('en-US')} calls in this time. Split the invoice, or choose a part of it with --from and --to.`,
    );
  }
  const providers = [...new Set(all.map((call) => call.provider))].toSorted();
  const chosen = provider ?? onlyOne(providers);
  const own = all.filter((call) => call.provider === chosen);
  const within = lines.filter(({ day }) => day === null || isWithin(day, covered));
  const isByCall = within.every(({ requestId }) => requestId !== null);
  const undated = within.findIndex(({ day, model }) => day === null || model === null);
  if (!isByCall && undated >= 0) {
    throw new Error(`Entry ${undated + 1} of the invoice has neither a request id nor both a date and a model.`);
  }
  // An invoice by call without dates is of the days of its calls.
  const dated = covered.fromDay === undefined && covered.toDay === undefined ? daysOfCalls(within, own) : covered;
  const calls = own.filter(({ day }) => isWithin(day, dated));
  const details = isByCall
    ? { days: null, calls: reconcileCalls(within, calls) }
    : { days: reconcileDays(within, calls), calls: null };
  return { provider: chosen, period: dated, ...sumsOf(within, calls, details), ...details };
}

function onlyOne(providers: readonly string[]): string {
  const [only = '', ...others] = providers;
  if (others.length === 0) return only;
  throw new Error(
    `The ledger has calls of ${providers.join(', ')} in this time. Say whose invoice it is with --provider.`,
  );
}

function daysOf(lines: readonly InvoiceLine[]): CostPeriod {
  return spanOf(lines.flatMap(({ day }) => (day === null ? [] : [day])));
}

function daysOfCalls(lines: readonly InvoiceLine[], calls: readonly InvoicedCall[]): CostPeriod {
  const invoiced = new Set(lines.map(({ requestId }) => requestId));
  return spanOf(calls.filter(({ requestId }) => invoiced.has(requestId)).map(({ day }) => day));
}

function spanOf(days: readonly string[]): CostPeriod {
  if (days.length === 0) return {};
  return days.reduce<{ fromDay: string; toDay: string }>(
    ({ fromDay, toDay }, day) => ({ fromDay: day < fromDay ? day : fromDay, toDay: day > toDay ? day : toDay }),
    { fromDay: days[0] ?? '', toDay: days[0] ?? '' },
  );
}

function definedOf({ fromDay, toDay }: CostPeriod): CostPeriod {
  return { ...(fromDay !== undefined && { fromDay }), ...(toDay !== undefined && { toDay }) };
}

function isWithin(day: string, { fromDay = '', toDay = '9999-12-31' }: CostPeriod): boolean {
  return day >= fromDay && day <= toDay;
}

function sumsOf(
  lines: readonly InvoiceLine[],
  calls: readonly InvoicedCall[],
  { days, calls: byCall }: Pick<Reconciliation, 'days' | 'calls'>,
) {
  const unconfirmedNanoUsd = sum(calls.filter(isUnconfirmed));
  const charged = days === null ? (byCall?.charged.nanoUsd ?? 0) : total(days, ({ chargedNanoUsd }) => chargedNanoUsd);
  const notCharged =
    days === null ? (byCall?.notCharged.nanoUsd ?? 0) : total(days, ({ notChargedNanoUsd }) => notChargedNanoUsd);
  const unexplained =
    days === null ? unexplainedOf(byCall) : total(days, ({ unexplainedNanoUsd }) => Math.abs(unexplainedNanoUsd));
  return {
    invoicedNanoUsd: sumOfLines(lines),
    confirmedNanoUsd: sum(calls.filter(isConfirmed)),
    unconfirmedNanoUsd,
    chargedNanoUsd: charged,
    notChargedNanoUsd: notCharged,
    unexplainedNanoUsd: unexplained,
  };
}

function unexplainedOf(calls: ReconciledCalls | null): number {
  if (calls === null) return 0;
  const { differing, missing, chargedThoughFree, unknown } = calls;
  return total([differing, missing, chargedThoughFree, unknown], ({ nanoUsd }) => Math.abs(nanoUsd));
}

const maxExamples = 20;

function reconcileCalls(lines: readonly InvoiceLine[], calls: readonly InvoicedCall[]): ReconciledCalls {
  const left = new Map(calls.map((call) => [call.requestId, call]));
  const sums = {
    matching: noAmount,
    differing: noAmount,
    charged: noAmount,
    notCharged: noAmount,
    missing: noAmount,
    chargedThoughFree: noAmount,
    unknown: noAmount,
  };
  const examples: { requestId: string; what: string; nanoUsd: number }[] = [];
  const count = (kind: keyof typeof sums, nanoUsd: number, requestId: string, what: string | null): void => {
    sums[kind] = { count: sums[kind].count + 1, nanoUsd: sums[kind].nanoUsd + nanoUsd };
    if (what !== null && examples.length < maxExamples) examples.push({ requestId, what, nanoUsd });
  };
  for (const line of lines) {
    const requestId = line.requestId ?? '';
    const call = left.get(requestId);
    // A second line for the same call is a call that the ledger does not know.
    left.delete(requestId);
    if (call === undefined) count('unknown', line.nanoUsd, requestId, 'not in the ledger');
    else if (isUnconfirmed(call)) count('charged', line.nanoUsd, requestId, null);
    else if (!isConfirmed(call))
      count('chargedThoughFree', line.nanoUsd, requestId, 'charged, though nothing was answered');
    else if (Math.abs(line.nanoUsd - call.costNanoUsd) <= line.toleranceNanoUsd)
      count('matching', line.nanoUsd, requestId, null);
    else count('differing', line.nanoUsd - call.costNanoUsd, requestId, 'another amount than the ledger’s');
  }
  for (const [requestId, call] of left) {
    if (isUnconfirmed(call)) count('notCharged', call.costNanoUsd, requestId, null);
    else if (isConfirmed(call) && call.costNanoUsd > 0)
      count('missing', call.costNanoUsd, requestId, 'not on the invoice');
  }
  return { ...sums, examples };
}

const noAmount: Amount = { count: 0, nanoUsd: 0 };

function reconcileDays(lines: readonly InvoiceLine[], calls: readonly InvoicedCall[]): readonly ReconciledDay[] {
  const ofLedger = [...new Set(calls.map(({ model }) => model))].toSorted((one, other) => other.length - one.length);
  const modelOf = (name: string): string => ofLedger.find((model) => isVersionOf(name, model)) ?? name;
  const groups = new Map<string, { day: string; model: string; lines: InvoiceLine[]; calls: InvoicedCall[] }>();
  const groupOf = (day: string, model: string) => {
    const key = JSON.stringify([day, model]);
    const group = groups.get(key) ?? { day, model, lines: [], calls: [] };
    groups.set(key, group);
    return group;
  };
  for (const line of lines) groupOf(line.day ?? '', modelOf(line.model ?? '')).lines.push(line);
  for (const call of calls) groupOf(call.day, call.model).calls.push(call);
  return [...groups.values()]
    .map(({ day, model, ...group }) => ({ day, model, ...reconcileGroup(group.lines, group.calls) }))
    .toSorted((one, other) => (one.day + one.model < other.day + other.model ? -1 : 1));
}

/** Providers invoice `gpt-4.1-2025-04-14` for `gpt-4.1`. */
function isVersionOf(invoiced: string, model: string): boolean {
  return invoiced === model || /^[-@:]\d/.test(invoiced.startsWith(model) ? invoiced.slice(model.length) : '');
}

function reconcileGroup(
  lines: readonly InvoiceLine[],
  calls: readonly InvoicedCall[],
): Omit<ReconciledDay, 'day' | 'model'> {
  const invoiced = sumOfLines(lines);
  const confirmed = sum(calls.filter(isConfirmed));
  const unconfirmed = sum(calls.filter(isUnconfirmed));
  const tolerance = total(lines, ({ toleranceNanoUsd }) => toleranceNanoUsd);
  const beyond = invoiced - confirmed;
  const charged = Math.min(Math.max(beyond, 0), unconfirmed);
  const unexplained = beyond - charged;
  return {
    invoicedNanoUsd: invoiced,
    confirmedNanoUsd: confirmed,
    unconfirmedNanoUsd: unconfirmed,
    chargedNanoUsd: charged,
    notChargedNanoUsd: unconfirmed - charged,
    unexplainedNanoUsd: Math.abs(unexplained) <= tolerance ? 0 : unexplained,
  };
}

function isConfirmed({ state }: InvoicedCall): boolean {
  return state === 'settled';
}

function isUnconfirmed({ state }: InvoicedCall): boolean {
  return state === 'unconfirmed';
}

function sum(calls: readonly InvoicedCall[]): number {
  return total(calls, ({ costNanoUsd }) => costNanoUsd);
}

function sumOfLines(lines: readonly InvoiceLine[]): number {
  return total(lines, ({ nanoUsd }) => nanoUsd);
}

function total<Item>(items: readonly Item[], amount: (item: Item) => number): number {
  return items.reduce((all, item) => all + amount(item), 0);
}
