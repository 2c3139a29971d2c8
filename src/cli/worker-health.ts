import { hostname } from 'node:os';
import { Command } from 'commander';
import { latestPollAtMs } from '../client/probes';
import { withKnownAddress } from '../config/connection-settings';
import { loadSettings } from '../config/load-settings';
import { exitStatusHelp } from './exit-status';
import { connectToTemporal } from '../operator/connections';

/** An idle poll lasts at most a minute; two of them may be missed. */
const silentAfterMs = 3 * 60_000;

/** Temporal's SDK names a worker `{pid}@{host name}`, and each container has its own host name. */
function isOnThisHost(identity: string): boolean {
  return identity.endsWith(`@${hostname()}`);
}

async function run(): Promise<void> {
  const settings = loadSettings();
  const known = withKnownAddress(settings.temporal, settings.dataDirectory);
  const { address, namespace, taskQueue } = known;
  const connection = await connectToTemporal(known);
  try {
    const latest = (await latestPollAtMs(connection, known, isOnThisHost)) ?? 0;
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
