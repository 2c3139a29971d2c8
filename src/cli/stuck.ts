import { Client } from '@temporalio/client';
import { Command } from 'commander';
import { endStuck, findStuck, listStuck, type StuckWorkflow } from '../client/stuck-workflows';
import { isNotFound } from '../client/errors';
import { withKnownAddress } from '../config/connection-settings';
import { loadSettings } from '../config/load-settings';
import { exitStatusHelp, UsageError } from './exit-status';
import { renderTable, writeJson, writeLines } from '../terminal/output';
import { connectToTemporal } from '../operator/connections';
import { formatTime } from '../terminal/format';

interface StuckFlags {
  readonly end?: string;
  readonly endAll?: true;
  readonly reason?: string;
  readonly json?: boolean;
}

const becauseWords = {
  'worker-lost': 'its workers were lost or silent',
  'task-failed': 'its task failed',
} as const satisfies Record<StuckWorkflow['because'], string>;

/** `bellwether stuck`: lists turns and conversations that make no progress, or ends them. */
export function stuckCommand(): Command {
  return new Command('stuck')
    .description('list turns and conversations whose workflow task is retried again and again, or end them')
    .option('--end <workflow>', 'end this one: turn/… or conversation/…; quote an id that contains spaces')
    .option('--end-all', 'end all listed ones')
    .option('--reason <text>', 'why; shown in the Temporal UI')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nWorkers automatically end what no worker survived in seven or more attempts. A task that fails, for example after a release that does not match its history, continues once the code is fixed: end it only if you are sure. An ended session begins again with its next message, without its history. ${exitStatusHelp}`,
    )
    .action(run);
}

async function run({ end, endAll, reason, json }: StuckFlags): Promise<void> {
  if (end !== undefined && endAll) throw new UsageError('Use either --end or --end-all, not both.');
  const settings = loadSettings({ callsProviders: false });
  const temporal = withKnownAddress(settings.temporal, settings.dataDirectory);
  const connection = await connectToTemporal(temporal);
  try {
    const client = new Client({ connection, namespace: temporal.namespace });
    const all = end === undefined ? (await listStuck(client, temporal.taskQueue)).stuck : [await findOne(client, end)];
    const ended: string[] = [];
    for (const each of end === undefined && !endAll ? [] : all) {
      if (await endStuck(client, each, reason ?? 'no reason given')) ended.push(each.workflowId);
    }
    if (json) writeJson(all.map((each) => asJson(each, ended)));
    else writeLines(all.length === 0 ? ['Nothing is stuck.'] : [stuckTable(all, ended)]);
  } finally {
    await connection.close();
  }
}

async function findOne(client: Client, workflowId: string): Promise<StuckWorkflow> {
  const stuck = await findStuck(client, workflowId).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
    return null;
  });
  if (stuck !== null) return stuck;
  throw new Error(`${workflowId} is not stuck, or not running. \`bellwether stuck\` lists those that are.`);
}

function asJson({ workflowId, runId, attempt, sinceMs, because }: StuckWorkflow, ended: readonly string[]) {
  const since = new Date(sinceMs).toISOString();
  return { workflow_id: workflowId, run_id: runId, attempt, since, because, ended: ended.includes(workflowId) };
}

function stuckTable(all: readonly StuckWorkflow[], ended: readonly string[]): string {
  const columns = [
    { title: 'workflow' },
    { title: 'attempt', align: 'right' },
    { title: 'since' },
    { title: 'because' },
    { title: 'now' },
  ] as const;
  return renderTable(
    columns,
    all.map(({ workflowId, attempt, sinceMs, because }) => [
      workflowId,
      `${attempt}`,
      formatTime(sinceMs),
      becauseWords[because],
      ended.includes(workflowId) ? 'ended' : 'stuck',
    ]),
  );
}
