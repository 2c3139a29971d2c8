import { Command, Option } from 'commander';
import pc from 'picocolors';
import { formatUsd } from '../domain/turn/prices';
import type { CostDimension, CostRow, CostTotals } from '../contract/ledger';
import { type CostSummary, noCostsYet, readCosts, rowAsJson, summaryAsJson } from '../operator/costs';
import { exitStatusHelp } from './exit-status';
import { renderTable, writeJson, writeLines } from '../terminal/output';
import { withLedger } from '../operator/open-ledger';

/** More than fits on a screen; for everything, query the ledger. */
const maxRows = 50;

interface CostsFlags {
  readonly by: CostDimension;
  readonly json?: boolean;
}

/** `bellwether costs`: spending, from the ledger. */
export function costsCommand(): Command {
  return new Command('costs')
    .description('show what turns cost, from the ledger')
    .addOption(
      new Option('--by <what>', `group by, at most ${maxRows} rows`)
        .choices(['day', 'session', 'model', 'arm', 'key', 'language'] satisfies CostDimension[])
        .default('day'),
    )
    .option('--json', 'print JSON, amounts in US dollars')
    .addHelpText('after', `\n${exitStatusHelp}`)
    .action(async ({ by, json }: CostsFlags) => {
      const costs = await withLedger(
        (ledger, settings) => readCosts(ledger, settings.policy.budgets.dayNanoUsd, by, maxRows),
        (database, settings) => ({
          absent: database,
          summary: noCostsYet(settings.policy.budgets.dayNanoUsd),
          rows: [],
        }),
      );
      if (json) writeJson({ ...summaryAsJson(costs.summary), by, rows: costs.rows.map(rowAsJson) });
      else if ('absent' in costs) writeLines(nothingYet(costs.absent));
      else writeLines(asText(costs.ledger, costs.summary, by, costs.rows));
    });
}

function asText(ledger: string, summary: CostSummary, by: CostDimension, rows: readonly CostRow[]): readonly string[] {
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
    pc.bold(ledger),
    ...lines.map(([name = '', value]) => `  ${name.padEnd(22)}  ${value}`),
    '',
    ...(rows.length > 0 ? [costTable(by, rows)] : ['No turns yet. Try: npx bellwether chat "Where is my order?"']),
    ...(rows.length === maxRows ? [`Only the first ${maxRows} rows; there may be more.`] : []),
  ];
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

function costTable(by: CostDimension, rows: readonly CostRow[]): string {
  const isOver = rows.some(({ overReservedNanoUsd }) => overReservedNanoUsd > 0);
  const isDisbelieved = rows.some(({ disbelievedCalls }) => disbelievedCalls > 0);
  return renderTable(
    [
      { title: by },
      ...(by === 'key' ? [{ title: 'name' }] : []),
      ...(by === 'language' ? [{ title: 'flagged answers' }] : []),
      { title: 'turns', align: 'right' },
      { title: 'attempts', align: 'right' },
      { title: 'tokens', align: 'right' },
      { title: 'cost', align: 'right' },
      { title: 'unconfirmed', align: 'right' },
      ...(isOver ? [{ title: 'over reservation', align: 'right' as const }] : []),
      ...(isDisbelieved ? [{ title: 'disbelieved', align: 'right' as const }] : []),
    ],
    rows.map((row) => [
      row.key,
      ...(by === 'key' ? [row.name ?? ''] : []),
      ...(by === 'language' ? [flagsAsText(row.flags)] : []),
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
