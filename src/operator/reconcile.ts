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
 * @param period default: the days of the invoice, or of its calls if it has no dates
 * @throws if the period has calls of several providers and none is given, or too many calls
 */
export async function reconcile(
  ledger: Pick<Ledger, 'endedCalls'>,
  lines: readonly InvoiceLine[],
  { provider, period }: { readonly provider?: string | undefined; readonly period: CostPeriod },
): Promise<Reconciliation> {
  const isByCall = lines.every(({ requestId }) => requestId !== null);
  const undated = lines.findIndex(({ day, model }) => day === null || model === null);
  if (!isByCall && undated >= 0) {
    throw new Error(`Entry ${undated + 1} of the invoice has neither a request id nor both a date and a model.`);
  }
  const asked = { ...daysOf(lines), ...definedOf(period) };
  const isDated = lines.every(({ day }) => day !== null);
  const all = await endedCalls(ledger, isByCall ? (isDated ? widened(asked) : {}) : asked);
  const chosen = provider ?? onlyOne([...new Set(all.map((call) => call.provider))].toSorted());
  const own = all.filter((call) => call.provider === chosen);
  if (!isByCall) {
    const within = lines.filter(({ day }) => day !== null && isWithin(day, asked));
    const days = reconcileDays(within, own);
    return { provider: chosen, period: asked, ...sumsOf(within, own, { days, calls: null }), days, calls: null };
  }
  const matched = matchCalls(lines, own);
  const isOpen = asked.fromDay === undefined && asked.toDay === undefined;
  const covered = isOpen ? spanOf(matched.pairs.flatMap(({ call }) => (call === null ? [] : [call.day]))) : asked;
  // A call belongs to the ledger's day, however the provider dates it; one at midnight may be on either invoice.
  const pairs = matched.pairs.filter(({ line, call }) => {
    if (call !== null) return isWithin(call.day, covered);
    return line.day === null || isWithin(line.day, covered);
  });
  const left = matched.left.filter((call) => isWithin(call.day, covered) && isWithin(call.endedDay, covered));
  const calls = reconcileCalls(pairs, left);
  const found = [...pairs.flatMap(({ call }) => (call === null ? [] : [call])), ...left];
  const sums = sumsOf(
    pairs.map(({ line }) => line),
    found,
    { days: null, calls },
  );
  return { provider: chosen, period: covered, ...sums, days: null, calls };
}

async function endedCalls(ledger: Pick<Ledger, 'endedCalls'>, period: CostPeriod): Promise<readonly InvoicedCall[]> {
  const calls = await ledger.endedCalls(period, maxReconciledCalls);
  if (calls.length <= maxReconciledCalls) return calls;
  throw new Error(
    `The ledger has more than ${maxReconciledCalls.toLocaleString('en-US')} calls in this time. Split the invoice, give its lines dates, or choose a part of it with --from and --to.`,
  );
}

/** With the days before and after: providers may date a call by its end, or in another time zone. */
function widened({ fromDay, toDay }: CostPeriod): CostPeriod {
  return {
    ...(fromDay !== undefined && { fromDay: dayBeside(fromDay, -1) }),
    ...(toDay !== undefined && { toDay: dayBeside(toDay, 1) }),
  };
}

const dayMs = 24 * 60 * 60 * 1000;

function dayBeside(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * dayMs).toISOString().slice(0, 10);
}

/** A line, and the call that it is for; null: there is none. */
interface Pair {
  readonly line: InvoiceLine;
  readonly call: InvoicedCall | null;
}

/** Each call has one line at most. Of calls with the same id, a line takes the one with its amount. */
function matchCalls(
  lines: readonly InvoiceLine[],
  calls: readonly InvoicedCall[],
): { readonly pairs: readonly Pair[]; readonly left: readonly InvoicedCall[] } {
  const byId = new Map<string, InvoicedCall[]>();
  for (const call of calls) {
    const sameId = byId.get(call.requestId);
    if (sameId === undefined) byId.set(call.requestId, [call]);
    else sameId.push(call);
  }
  const pairs = lines.map((line): Pair => {
    const candidates = byId.get(line.requestId ?? '') ?? [];
    const same = candidates.findIndex((call) => isSameAmount(line, call));
    const [call = null] = candidates.splice(Math.max(same, 0), 1);
    return { line, call };
  });
  return { pairs, left: [...byId.values()].flat() };
}

function isSameAmount({ nanoUsd, toleranceNanoUsd }: InvoiceLine, { costNanoUsd }: InvoicedCall): boolean {
  return Math.abs(nanoUsd - costNanoUsd) <= toleranceNanoUsd;
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

function reconcileCalls(pairs: readonly Pair[], left: readonly InvoicedCall[]): ReconciledCalls {
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
  for (const { line, call } of pairs) {
    const requestId = line.requestId ?? '';
    if (call === null) count('unknown', line.nanoUsd, requestId, 'not in the ledger');
    else if (isUnconfirmed(call)) count('charged', line.nanoUsd, requestId, null);
    else if (!isConfirmed(call)) {
      count('chargedThoughFree', line.nanoUsd, requestId, 'charged, though nothing was answered');
    } else if (isSameAmount(line, call)) count('matching', line.nanoUsd, requestId, null);
    else count('differing', line.nanoUsd - call.costNanoUsd, requestId, 'another amount than the ledger’s');
  }
  for (const call of left) {
    if (isUnconfirmed(call)) count('notCharged', call.costNanoUsd, call.requestId, null);
    else if (isConfirmed(call) && call.costNanoUsd > 0) {
      count('missing', call.costNanoUsd, call.requestId, 'not on the invoice');
    }
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
