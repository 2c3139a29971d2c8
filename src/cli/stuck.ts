import { Client } from '@temporalio/client';
import { Command } from 'commander';
import { endStuck, listStuck, type StuckWorkflow } from '../client/stuck-workflows';
import { withKnownAddress } from '../config/connection-settings';
import { loadSettings } from '../config/load-settings';
import { exitStatusHelp, UsageError } from './exit-status';
import { renderTable, writeJson, writeLines } from './output';
import { connectToTemporal } from './temporal-connection';
import { formatTime } from './words';

interface StuckFlags {
  readonly end?: string;
  readonly endAll?: true;
  readonly reason?: string;
  readonly json?: boolean;
}

const pageSize = 1_000;

const becauseWords = {
  'worker-lost': 'its workers were lost, or silent',
  'task-failed': 'its task failed',
} as const satisfies Record<StuckWorkflow['because'], string>;

/** `bellwether stuck`: turns and conversations that do not get on, and their end. */
export function stuckCommand(): Command {
  return new Command('stuck')
    .description('list turns and conversations whose workflow task is tried again and again, or end them')
    .option('--end <workflow>', 'end this one: turn/… or conversation/…')
    .option('--end-all', 'end all that are listed')
    .option('--reason <text>', 'why, for the Temporal UI')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nWorkers end by themselves what no worker survived in seven attempts. A task that fails, as after a release that does not fit it, goes on once the code is put right: end such a one only when you know better. An ended session begins anew with its next message. ${exitStatusHelp}`,
    )
    .action(run);
}

async function run({ end, endAll, reason, json }: StuckFlags): Promise<void> {
  if (end !== undefined && endAll) throw new UsageError('--end and --end-all exclude each other.');
  const settings = loadSettings({ callsProviders: false });
  const temporal = withKnownAddress(settings.temporal, settings.dataDirectory);
  const connection = await connectToTemporal(temporal);
  try {
    const client = new Client({ connection, namespace: temporal.namespace });
    const all = await listAll(client, temporal.taskQueue);
    const chosen = all.filter(({ workflowId }) => endAll || workflowId === end);
    if (end !== undefined && chosen.length === 0) {
      throw new Error(`${end} is not stuck, or not running. \`bellwether stuck\` lists those that are.`);
    }
    const ended: string[] = [];
    for (const each of chosen) {
      if (await endStuck(client, each, reason ?? 'no reason given')) ended.push(each.workflowId);
    }
    if (json) writeJson(all.map((each) => asJson(each, ended)));
    else writeLines(all.length === 0 ? ['Nothing is stuck.'] : [stuckTable(all, ended)]);
  } finally {
    await connection.close();
  }
}

async function listAll(client: Client, taskQueue: string): Promise<readonly StuckWorkflow[]> {
  const all: StuckWorkflow[] = [];
  let next: Uint8Array | undefined;
  do {
    const page = await listStuck(client, taskQueue, pageSize, next);
    all.push(...page.stuck);
    next = page.next;
  } while (next !== undefined);
  return all;
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
