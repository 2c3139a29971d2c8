import type { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time';
import { ConstantBackoff, handleWhen, retry } from 'cockatiel';
import { Command, InvalidArgumentError, Option } from 'commander';
import { withKnownAddress } from '../config/connection-settings';
import { prepareLedgerDirectory } from '../config/data-directory';
import { loadSettings } from '../config/load-settings';
import type { TemporalSettings } from '../config/settings';
import { searchAttributeNames } from '../contract/names';
import { migrateLedger } from '../ledger/open-ledger';
import { addMissingSearchAttributes } from '../temporal-server/namespace';
import { exitStatusHelp } from './exit-status';
import { writeJson, writeLines } from '../terminal/output';
import { isNotAllowed, isNotFound } from '../client/errors';
import { connectToTemporal } from '../operator/connections';

/** Long enough to look at last week's turns in the UI; message text is kept no longer. */
const defaultRetentionDays = 7;

const dayMs = 24 * 60 * 60 * 1000;

/** Server nodes read the list of namespaces every 10 s and do not know a new one until then: three times that. */
const namespaceKnownWithin = { attempts: 60, everyMs: 500 } as const;

interface SetupFlags {
  readonly retention: number;
  readonly json?: boolean;
}

interface SetupReport {
  readonly address: string;
  readonly namespace: string;
  readonly namespaceCreated: boolean;
  readonly searchAttributesAdded: readonly string[];
  readonly migrationsApplied: readonly string[];
}

/** `bellwether setup`: prepares Temporal and the database for the first worker. Safe to repeat. */
export function setupCommand(): Command {
  return new Command('setup')
    .description('create the namespace, register search attributes and migrate the ledger; safe to repeat')
    .addOption(
      new Option('--retention <days>', 'days that a new namespace keeps closed workflows')
        .argParser(parseDays)
        .default(defaultRetentionDays),
    )
    .option('--json', 'print JSON')
    .addHelpText('after', `\nAn existing namespace keeps its retention. ${exitStatusHelp}`)
    .action(async ({ retention, json }: SetupFlags) => {
      const settings = loadSettings();
      const temporal = withKnownAddress(settings.temporal, settings.dataDirectory);
      prepareLedgerDirectory(settings);
      const migrationsApplied = await migrateLedger(settings);
      const report = { ...(await prepareTemporal(temporal, retention)), migrationsApplied };
      if (json) writeJson(asJson(report));
      else writeLines(asText(report, settings.databaseUrl ? 'PostgreSQL' : `SQLite in ${settings.dataDirectory}`));
    });
}

async function prepareTemporal(
  temporal: TemporalSettings,
  retentionDays: number,
): Promise<Omit<SetupReport, 'migrationsApplied'>> {
  const { namespace, address = '' } = temporal;
  const connection = await connectToTemporal(temporal);
  try {
    const namespaceCreated = await createNamespaceIfMissing(connection, namespace, retentionDays);
    const knownEverywhere = retry(handleWhen(isNotFound), {
      maxAttempts: namespaceKnownWithin.attempts,
      backoff: new ConstantBackoff(namespaceKnownWithin.everyMs),
    });
    const searchAttributesAdded = await knownEverywhere.execute(() =>
      addMissingSearchAttributes(connection, namespace, Object.values(searchAttributeNames)),
    );
    return { address, namespace, namespaceCreated, searchAttributesAdded };
  } catch (error) {
    if (!isNotAllowed(error)) throw error;
    const names = Object.values(searchAttributeNames).join(', ');
    throw new Error(
      `Temporal at ${address} does not allow this program to set up namespace ${namespace}. On Temporal Cloud, create the ` +
        `namespace and its search attributes (type Keyword: ${names}) in its web UI or with tcld.`,
      { cause: error },
    );
  } finally {
    await connection.close();
  }
}

async function createNamespaceIfMissing(
  connection: Connection,
  namespace: string,
  retentionDays: number,
): Promise<boolean> {
  try {
    await connection.workflowService.describeNamespace({ namespace });
    return false;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  await connection.workflowService.registerNamespace({
    namespace,
    description: 'Bellwether: conversations, turns and rollouts',
    workflowExecutionRetentionPeriod: msToTs(retentionDays * dayMs),
  });
  return true;
}

function asText(report: SetupReport, database: string): readonly string[] {
  const { address, namespace, namespaceCreated, searchAttributesAdded, migrationsApplied } = report;
  return [
    `Temporal ${address}`,
    `  namespace ${namespace}: ${namespaceCreated ? 'created' : 'already there'}`,
    `  search attributes: ${listed(searchAttributesAdded, 'registered', 'already there')}`,
    `Ledger, ${database}`,
    `  migrations: ${listed(migrationsApplied, 'applied', 'none pending')}`,
  ];
}

function listed(names: readonly string[], done: string, found: string): string {
  return names.length > 0 ? `${done} ${names.join(', ')}` : found;
}

function asJson(report: SetupReport): object {
  return {
    address: report.address,
    namespace: report.namespace,
    namespace_created: report.namespaceCreated,
    search_attributes_added: report.searchAttributesAdded,
    migrations_applied: report.migrationsApplied,
  };
}

function parseDays(text: string): number {
  const days = Number(text);
  if (!Number.isInteger(days) || days < 1 || days > 365) {
    throw new InvalidArgumentError('Retention is a whole number of days, from 1 to 365.');
  }
  return days;
}
