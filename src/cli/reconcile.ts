import { Command, InvalidArgumentError } from 'commander';
import pc from 'picocolors';
import { InvalidInputError } from '../client/errors';
import { formatUsd, toUsd } from '../domain/turn/prices';
import { type InvoiceColumn, invoiceColumns, type OwnColumns, readInvoice } from '../operator/invoice';
import { withLedger } from '../operator/open-ledger';
import {
  type Amount,
  type ReconciledCalls,
  type ReconciledDay,
  reconcile,
  type Reconciliation,
} from '../operator/reconcile';
import { renderTable, writeJson, writeLines } from '../terminal/output';
import { exitStatus } from './exit-status';
import { usageError } from './options';
import { addPeriod, type PeriodFlags, periodOf } from './period';

interface ReconcileFlags extends PeriodFlags {
  readonly invoice: string;
  readonly provider?: string;
  readonly columns?: OwnColumns;
  readonly json?: boolean;
}

/** `bellwether costs reconcile`: a provider's invoice against the ledger. */
export function reconcileCommand(): Command {
  const command = new Command('reconcile')
    .description(
      "compare a provider's invoice with the ledger: what matches, which unconfirmed calls were charged, which were not",
    )
    .requiredOption(
      '--invoice <file.csv>',
      'CSV by call (request_id, cost) or by day and model (date, model, cost), in US dollars',
    )
    .option('--provider <name>', 'whose invoice it is; needed if the ledger has calls of several in this time')
    .option(
      '--columns <names>',
      `the file's names of the columns ${invoiceColumns.join(', ')}: cost=Charge,day=Usage date`,
      parseColumns,
    )
    .option('--json', 'print JSON, amounts in US dollars')
    .addHelpText(
      'after',
      '\nrequest_id is what the provider got as x-request-id. Nothing is changed in the ledger.\n\n' +
        'Exit status: 0 the invoice is explained, 1 it is not, or something failed, 2 wrong usage or configuration.',
    )
    .action(showReconciliation);
  addPeriod(command, 'compare only calls');
  return command;
}

async function showReconciliation({ invoice, provider, columns, json, ...flags }: ReconcileFlags): Promise<void> {
  const period = periodOf(flags);
  const lines = await readInvoice(invoice, columns).catch((error: unknown) => {
    throw error instanceof InvalidInputError ? usageError(error, new Map([['invoice', invoice]])) : error;
  });
  const found = await withLedger(
    (ledger) => reconcile(ledger, lines, { provider, period }),
    (database): never => {
      throw new Error(`There is no ledger in ${database}; set BELLWETHER_DATA_DIR or DATABASE_URL if it is elsewhere.`);
    },
  );
  if (json) writeJson(asJson(found));
  else writeLines(asText(found));
  if (found.unexplainedNanoUsd > 0) process.exitCode = exitStatus.failed;
}

function parseColumns(text: string): OwnColumns {
  const pairs = text.split(',').map((pair) => pair.split('=').map((part) => part.trim()));
  const columns: Partial<Record<InvoiceColumn, string>> = {};
  for (const [name, own = ''] of pairs) {
    if (!isColumn(name) || own === '') {
      throw new InvalidArgumentError(`Give pairs such as cost=Charge for some of ${invoiceColumns.join(', ')}.`);
    }
    columns[name] = own;
  }
  return columns;
}

function isColumn(name = ''): name is InvoiceColumn {
  return invoiceColumns.some((column) => column === name);
}

function asText(found: Reconciliation): readonly string[] {
  const { provider, period, days, calls } = found;
  const lines = [
    ['invoiced', formatUsd(found.invoicedNanoUsd)],
    ['confirmed', `${formatUsd(found.confirmedNanoUsd)}  what the provider reported with its answers`],
    ['unconfirmed', `${formatUsd(found.unconfirmedNanoUsd)}  calls with an unknown outcome, at their worst case`],
    ['  charged', `${formatUsd(found.chargedNanoUsd)}  of them, the invoice has`],
    ['  not charged', `${formatUsd(found.notChargedNanoUsd)}  of them, it does not have`],
    ['unexplained', formatUsd(found.unexplainedNanoUsd)],
  ];
  return [
    pc.bold(`${provider}, ${period.fromDay ?? 'the beginning'} to ${period.toDay ?? 'today'} (UTC days)`),
    ...lines.map(([name = '', value]) => `  ${name.padEnd(13)}  ${value}`),
    '',
    ...(days === null ? [] : [dayTable(days)]),
    ...(calls === null ? [] : callLines(calls)),
    '',
    verdictOf(found),
  ];
}

function verdictOf({ unexplainedNanoUsd, notChargedNanoUsd }: Reconciliation): string {
  if (unexplainedNanoUsd > 0) {
    return pc.yellow(
      `${formatUsd(unexplainedNanoUsd)} is not explained by the ledger: other programs that use the same account, prices in the configuration that differ from the provider's, or days that the provider counts in another time zone.`,
    );
  }
  if (notChargedNanoUsd === 0) return pc.green('The ledger explains the invoice.');
  return pc.green(
    `The ledger explains the invoice. ${formatUsd(notChargedNanoUsd)} that counts as unconfirmed was never charged.`,
  );
}

function dayTable(days: readonly ReconciledDay[]): string {
  const amounts = ['invoiced', 'confirmed', 'unconfirmed', 'charged', 'not charged', 'unexplained'];
  return renderTable(
    [{ title: 'day' }, { title: 'model' }, ...amounts.map((title) => ({ title, align: 'right' as const }))],
    days.map((row) => [
      row.day,
      row.model,
      ...[
        row.invoicedNanoUsd,
        row.confirmedNanoUsd,
        row.unconfirmedNanoUsd,
        row.chargedNanoUsd,
        row.notChargedNanoUsd,
        row.unexplainedNanoUsd,
      ].map((nanoUsd) => formatUsd(nanoUsd)),
    ]),
  );
}

const kindsOfCalls = [
  ['matching', 'confirmed, at the same amount'],
  ['differing', 'confirmed, at another amount; by how much'],
  ['charged', 'unconfirmed, and on the invoice'],
  ['notCharged', 'unconfirmed, and not on the invoice'],
  ['missing', 'confirmed, but not on the invoice'],
  ['chargedThoughFree', 'on the invoice, though nothing was answered'],
  ['unknown', 'on the invoice, but not in the ledger'],
] as const satisfies readonly (readonly [keyof ReconciledCalls, string])[];

function callLines(calls: ReconciledCalls): readonly string[] {
  const rows = kindsOfCalls.map(([kind, meaning]) => [meaning, `${calls[kind].count}`, formatUsd(calls[kind].nanoUsd)]);
  const columns = [
    { title: 'calls' },
    { title: 'number', align: 'right' },
    { title: 'amount', align: 'right' },
  ] as const;
  const examples = calls.examples.map(
    ({ requestId, what, nanoUsd }) => `  ${requestId}  ${formatUsd(nanoUsd)}  ${what}`,
  );
  return [renderTable(columns, rows), ...(examples.length === 0 ? [] : ['', 'For example:', ...examples])];
}

function asJson(found: Reconciliation): object {
  const { provider, period, days, calls } = found;
  return {
    provider,
    from: period.fromDay ?? null,
    to: period.toDay ?? null,
    invoiced: toUsd(found.invoicedNanoUsd),
    confirmed: toUsd(found.confirmedNanoUsd),
    unconfirmed: toUsd(found.unconfirmedNanoUsd),
    charged: toUsd(found.chargedNanoUsd),
    not_charged: toUsd(found.notChargedNanoUsd),
    unexplained: toUsd(found.unexplainedNanoUsd),
    days:
      days?.map((row) => ({
        day: row.day,
        model: row.model,
        invoiced: toUsd(row.invoicedNanoUsd),
        confirmed: toUsd(row.confirmedNanoUsd),
        unconfirmed: toUsd(row.unconfirmedNanoUsd),
        charged: toUsd(row.chargedNanoUsd),
        not_charged: toUsd(row.notChargedNanoUsd),
        unexplained: toUsd(row.unexplainedNanoUsd),
      })) ?? null,
    calls: calls && callsAsJson(calls),
  };
}

function callsAsJson(calls: ReconciledCalls): object {
  return {
    matching: amountAsJson(calls.matching),
    differing: amountAsJson(calls.differing),
    charged: amountAsJson(calls.charged),
    not_charged: amountAsJson(calls.notCharged),
    missing: amountAsJson(calls.missing),
    charged_though_free: amountAsJson(calls.chargedThoughFree),
    unknown: amountAsJson(calls.unknown),
    examples: calls.examples.map(({ requestId, what, nanoUsd }) => ({
      request_id: requestId,
      what,
      amount: toUsd(nanoUsd),
    })),
  };
}

function amountAsJson({ count, nanoUsd }: Amount): object {
  return { count, amount: toUsd(nanoUsd) };
}
