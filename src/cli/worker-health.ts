import { hostname } from 'node:os';
import { temporal } from '@temporalio/proto';
import { Command } from 'commander';
import { withKnownAddress } from '../config/connection-settings';
import { loadSettings } from '../config/load-settings';
import { exitStatusHelp } from './exit-status';
import { connectToTemporal } from '../operator/connections';

/** An idle poll lasts at most a minute; two of them may be missed. */
const silentAfterMs = 3 * 60_000;

const { TASK_QUEUE_TYPE_WORKFLOW } = temporal.api.enums.v1.TaskQueueType;

async function run(): Promise<void> {
  const settings = loadSettings();
  const known = withKnownAddress(settings.temporal, settings.dataDirectory);
  const { address, namespace, taskQueue } = known;
  const connection = await connectToTemporal(known);
  try {
    const { pollers } = await connection.workflowService.describeTaskQueue({
      namespace,
      taskQueue: { name: taskQueue },
      taskQueueType: TASK_QUEUE_TYPE_WORKFLOW,
    });
    // Temporal's SDK names a worker `{pid}@{host name}`, and each container has its own host name.
    const own = (pollers ?? []).filter((poller) => poller.identity?.endsWith(`@${hostname()}`));
    const latest = Math.max(0, ...own.map((poller) => Number(poller.lastAccessTime?.seconds ?? 0) * 1_000));
    if (Date.now() - latest > silentAfterMs) {
      throw new Error(
        `No worker on ${hostname()} polled task queue "${taskQueue}" of ${namespace} at ${address} ` +
          `in the last ${silentAfterMs / 60_000} minutes: it hangs, is still starting, or polls elsewhere.`,
      );
    }
    console.log(`A worker on ${hostname()} polled "${taskQueue}" at ${new Date(latest).toISOString()}.`);
  } finally {
    await connection.close();
  }
}

/** `bellwether worker-health`: fails unless Temporal recently saw a worker on this host poll. For container health checks. */
export function workerHealthCommand(): Command {
  return new Command('worker-health')
    .description('fail unless Temporal recently saw the worker on this host poll')
    .addHelpText('after', `\n${exitStatusHelp}`)
    .action(run);
}
