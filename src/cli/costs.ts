import { stringify } from 'csv-stringify/sync';
import { Command, InvalidArgumentError } from 'commander';
import pc from 'picocolors';
import { formatUsd } from '../domain/turn/prices';
import { type CostDimension, costDimensions, type CostPeriod, type CostRow, type CostTotals } from '../contract/ledger';
import { type Costs, type CostSummary, noCostsYet, readCosts, rowAsJson, summaryAsJson } from '../operator/costs';
import { withLedger } from '../operator/open-ledger';
import { printable } from '../terminal/printable';
import { renderTable, writeJson, writeLines } from '../terminal/output';
import { exitStatusHelp, UsageError } from './exit-status';
import { addPeriod, type PeriodFlags, periodOf } from './period';
import { reconcileCommand } from './reconcile';

/** What fits on a screen. */
const shownRows = 50;

/** About 300 MB. */
const maxRows = 1_000_000;

const maxDimensions = 3;

interface CostsFlags extends PeriodFlags {
  readonly by: readonly CostDimension[];
  readonly limit?: number;
  readonly csv?: boolean;
  readonly json?: boolean;
}

/** `bellwether costs`: spending, from the ledger. */
export function costsCommand(): Command {
  const command = new Command('costs')
    .description('show what turns cost, from the ledger')
    .option(
      '--by <what>',
      `group by ${costDimensions.join(', ')}, or by up to ${maxDimensions} of them: key,month`,
      parseDimensions,
      ['day'],
    )
    .option(
      '--limit <rows>',
      `print at most this many rows (default: ${shownRows}; with --csv and --json all)`,
      parseLimit,
    )
    .option('--csv', 'print CSV, amounts in US dollars with all their decimals')
    .option('--json', 'print JSON, amounts in US dollars and in nano-dollars')
    .addHelpText('after', `\n${exitStatusHelp}`)
    .action(showCosts);
  addPeriod(command, 'count only calls');
  command.enablePositionalOptions();
  return command.addCommand(reconcileCommand().exitOverride());
}

async function showCosts({ by, limit, csv, json, ...flags }: CostsFlags): Promise<void> {
  if (csv && json) throw new UsageError('Give either --csv or --json.');
  const period = periodOf(flags);
  const isForPeople = !csv && !json;
  const query = { by, period, maxRows: limit ?? (isForPeople ? shownRows : maxRows) };
  const costs = await withLedger(
    (ledger, settings) => readCosts(ledger, settings.policy.budgets.dayNanoUsd, query),
    (database, settings) => ({
      absent: database,
      summary: noCostsYet(settings.policy.budgets.dayNanoUsd),
      rows: [],
      isCut: false,
    }),
  );
  if (costs.isCut && limit === undefined && !isForPeople) {
    throw new Error(
      `There are more than ${maxRows.toLocaleString('en-US')} rows. Choose a shorter time with --from and --to, another --by, or a --limit.`,
    );
  }
  if (csv) process.stdout.write(asCsv(by, costs.rows));
  else if (json) writeJson(asJson(costs, by, period));
  else if ('absent' in costs) writeLines(nothingYet(costs.absent));
  else writeLines(asText(costs, by, period));
}

function asJson({ summary, rows, isCut }: Omit<Costs, 'ledger'>, by: readonly CostDimension[], period: CostPeriod) {
  const { fromDay = null, toDay = null } = period;
  return {
    ...summaryAsJson(summary),
    by: by.join(','),
    from: fromDay,
    to: toDay,
    rows: rows.map(rowAsJson),
    is_cut: isCut,
  };
}

/** Texts that a spreadsheet would run as formulas are escaped: sessions and users are named by callers. */
function asCsv(by: readonly CostDimension[], rows: readonly CostRow[]): string {
  const named = by.includes('key');
  const header = [
    ...by,
    ...(named ? ['name'] : []),
    'turns',
    'attempts',
    'tokens',
    'cost_usd',
    'unconfirmed_usd',
    'over_reservation_usd',
    'disbelieved_calls',
  ];
  const lines = rows.map((row) => [
    ...keysOf(row).map(printable),
    ...(named ? [row.name ?? ''] : []),
    row.turns,
    row.attempts,
    row.tokens,
    exactUsd(row.costNanoUsd),
    exactUsd(row.unconfirmedNanoUsd),
    exactUsd(row.overReservedNanoUsd),
    row.disbelievedCalls,
  ]);
  return stringify([header, ...lines], { escape_formulas: true });
}

/** With all its decimals. */
function exactUsd(nanoUsd: number): string {
  return formatUsd(nanoUsd, 9).replace('$', '');
}

function keysOf({ key, keys = [key] }: CostRow): readonly string[] {
  return keys;
}

function parseDimensions(text: string): readonly CostDimension[] {
  const names = text.split(',').map((name) => name.trim());
  const dimensions = costDimensions.filter((dimension) => names.includes(dimension));
  if (dimensions.length < names.length || names.length > maxDimensions) {
    throw new InvalidArgumentError(
      `Give 1 to ${maxDimensions} different ones of ${costDimensions.join(', ')}, separated by commas.`,
    );
  }
  return dimensions.toSorted((one, other) => names.indexOf(one) - names.indexOf(other));
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (/^\d+$/.test(text) && limit >= 1 && limit <= maxRows) return limit;
  throw new InvalidArgumentError(`Give a whole number from 1 to ${maxRows}.`);
}

function asText(
  { ledger, summary, rows, isCut }: Costs,
  by: readonly CostDimension[],
  period: CostPeriod,
): readonly string[] {
  const { totals, remainingTodayNanoUsd, monthlyNanoUsd, guideMonthlyNanoUsd, dayCapNanoUsd } = summary;
  const days = totals.days === 1 ? '1 day' : `${totals.days} days`;
  const lines = [
    ['total_cost', `${formatUsd(totals.costNanoUsd)}  ${totals.turns} turns, ${totals.attempts} attempts`],
    ['unconfirmed', `${formatUsd(totals.unconfirmedNanoUsd)}  attempts with an unknown outcome, at their worst case`],
    ...oddLines(totals),
    ['reserved', `${formatUsd(totals.reservedNanoUsd)}  calls in flight, at their worst case`],
    ['total_tokens', `${totals.tokens}`],
    ['estimated_monthly_cost', `${formatUsd(monthlyNanoUsd)}  30 × the mean of ${days} with spending`],
    ...(guideMonthlyNanoUsd === monthlyNanoUsd
      ? []
      : [['', `${formatUsd(guideMonthlyNanoUsd)}  the guide's estimate: 30 × the total, as if of one day`]]),
    ['remaining_budget', `${formatUsd(remainingTodayNanoUsd)}  of ${formatUsd(dayCapNanoUsd, 2)} today (UTC)`],
  ];
  return [
    `${pc.bold(ledger)}${inPeriod(period)}`,
    ...lines.map(([name = '', value]) => `  ${name.padEnd(22)}  ${value}`),
    '',
    ...(rows.length > 0 ? [costTable(by, rows)] : [noTurns(period)]),
    ...(isCut ? [restLine(summary, rows)] : []),
  ];
}

function inPeriod({ fromDay, toDay }: CostPeriod): string {
  if (fromDay === undefined && toDay === undefined) return '';
  return `, ${fromDay ?? 'the beginning'} to ${toDay ?? 'today'} (UTC days)`;
}

function noTurns({ fromDay, toDay }: CostPeriod): string {
  if (fromDay === undefined && toDay === undefined)
    return 'No turns yet. Try: npx bellwether chat "Where is my order?"';
  return 'No turns in this time.';
}

/** Nobody should take the rows above for everything. */
function restLine({ totals }: CostSummary, rows: readonly CostRow[]): string {
  const shown = rows.reduce((sum, row) => sum + row.costNanoUsd, 0);
  return (
    `These are the first ${rows.length} rows. The rest cost ${formatUsd(totals.costNanoUsd - shown)} together; ` +
    '--limit shows more, --csv all.'
  );
}

/** Unexpected charges and claims of providers; empty if there are none. */
function oddLines({ overReservedNanoUsd, disbelievedCalls }: CostTotals): readonly (readonly string[])[] {
  const lines: string[][] = [];
  if (overReservedNanoUsd > 0) {
    const meaning = 'part of total_cost: what calls cost beyond their reservations';
    lines.push(['over_reservation', `${formatUsd(overReservedNanoUsd)}  ${meaning}`]);
  }
  if (disbelievedCalls > 0) {
    const meaning =
      'calls whose claimed usage is impossible; counted as unconfirmed. usage_note in the ledger says why';
    lines.push(['disbelieved_calls', `${disbelievedCalls}  ${meaning}`]);
  }
  return lines;
}

function costTable(by: readonly CostDimension[], rows: readonly CostRow[]): string {
  const isOver = rows.some(({ overReservedNanoUsd }) => overReservedNanoUsd > 0);
  const isNamed = by.includes('key');
  const isFlagged = by.length === 1 && by.includes('language');
  const isDisbelieved = rows.some(({ disbelievedCalls }) => disbelievedCalls > 0);
  return renderTable(
    [
      ...by.map((dimension) => ({ title: dimension })),
      ...(isNamed ? [{ title: 'name' }] : []),
      ...(isFlagged ? [{ title: 'flagged answers' }] : []),
      { title: 'turns', align: 'right' },
      { title: 'attempts', align: 'right' },
      { title: 'tokens', align: 'right' },
      { title: 'cost', align: 'right' },
      { title: 'unconfirmed', align: 'right' },
      ...(isOver ? [{ title: 'over reservation', align: 'right' as const }] : []),
      ...(isDisbelieved ? [{ title: 'disbelieved', align: 'right' as const }] : []),
    ],
    rows.map((row) => [
      ...keysOf(row),
      ...(isNamed ? [row.name ?? ''] : []),
      ...(isFlagged ? [flagsAsText(row.flags)] : []),
      `${row.turns}`,
      `${row.attempts}`,
      `${row.tokens}`,
      formatUsd(row.costNanoUsd),
      formatUsd(row.unconfirmedNanoUsd),
      ...(isOver ? [formatUsd(row.overReservedNanoUsd)] : []),
      ...(isDisbelieved ? [`${row.disbelievedCalls}`] : []),
    ]),
  );
}

/** `3 empty, 1 refused`, the most frequent first. */
function flagsAsText(flags: CostRow['flags'] = {}): string {
  return Object.entries(flags)
    .toSorted(([, one], [, other]) => other - one)
    .map(([flag, turns]) => `${turns} ${flag}`)
    .join(', ');
}

function nothingYet(database: string): readonly string[] {
  return [
    `Nothing has been spent yet: there is no ledger in ${database}.`,
    'Start with `npx bellwether up`, or set BELLWETHER_DATA_DIR or DATABASE_URL if the ledger is elsewhere.',
  ];
}
