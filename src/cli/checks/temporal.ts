import { Client, type Connection } from '@temporalio/client';
import { hasNamespace, latestPollAtMs, pollIsFreshForMs, probeStart } from '../../client/probes';
import { listStuck } from '../../client/stuck-workflows';
import { programSearchPath } from '../../config/environment';
import type { Settings, TemporalSettings } from '../../config/settings';
import { searchAttributeNames } from '../../contract/names';
import { embeddedServerAddress } from '../../temporal-server/data-file';
import { missingSearchAttributes } from '../../temporal-server/namespace';
import { findOnPath } from '../../temporal-server/programs';
import { findInStore, readSupportedVersion, temporalStore } from '../../temporal-server/temporal-version';
import { connectToTemporal } from '../../operator/connections';
import type { Check, CheckOutcome } from './check';

const setupAdvice = 'Run: npx bellwether setup';

export function temporalCheck({ temporal, dataDirectory, cacheDirectory }: Settings): Check {
  const embedded = temporal.address === undefined ? embeddedServerAddress(dataDirectory) : undefined;
  const address = temporal.address ?? embedded;
  if (address === undefined) {
    return {
      name: 'Temporal',
      advice: 'Remove or update that program; `npx bellwether up` then installs a suitable one.',
      run: () => checkProgram(cacheDirectory),
    };
  }
  return {
    name: 'Temporal',
    advice: embedded
      ? 'Stop and start `npx bellwether up`.'
      : 'Is TEMPORAL_ADDRESS right? Is the server up? Are TLS and key right (TEMPORAL_TLS…, TEMPORAL_API_KEY)?',
    run: () => checkServer({ ...temporal, address }, embedded !== undefined),
  };
}

async function checkServer(settings: TemporalSettings, isEmbedded: boolean): Promise<CheckOutcome> {
  const connection = await connectToTemporal(settings, '');
  try {
    const { namespace } = settings;
    const { serverVersion } = await connection.workflowService.getSystemInfo({});
    const where = `${settings.address}${isEmbedded ? ' (embedded)' : ''}, server ${serverVersion}`;
    if (!(await hasNamespace(connection, namespace))) {
      return { status: 'failed', detail: `${where}: there is no namespace ${namespace}`, advice: setupAdvice };
    }
    const missing = await missingSearchAttributes(connection, namespace, Object.values(searchAttributeNames));
    await probeStart(new Client({ connection, namespace }), settings);
    const detail = `${where}, namespace ${namespace}, takes new turns`;
    if (missing.length === 0) return { status: 'ok', detail: `${detail}, search attributes registered` };
    return {
      status: 'failed',
      detail: `${detail}: missing search attributes: ${missing.join(', ')}`,
      advice: setupAdvice,
    };
  } finally {
    await connection.close();
  }
}

/** Embedded and not running: is the program installed? The check itself installs nothing. */
async function checkProgram(cacheDirectory: string): Promise<CheckOutcome> {
  const program = findOnPath('temporal', programSearchPath()) ?? findInStore(temporalStore(cacheDirectory));
  if (program === undefined) {
    return {
      status: 'skipped',
      detail: 'embedded, not running; its program is not installed yet',
      advice: '`npx bellwether up` installs and starts it. To use your own server, set TEMPORAL_ADDRESS.',
    };
  }
  const { server } = await readSupportedVersion(program);
  return { status: 'ok', detail: `embedded, not running: server ${server} in ${program}; npx bellwether up starts it` };
}

/** Whether a worker, here or elsewhere, polls Temporal for turns. */
export function workerCheck(settings: Settings): Check {
  return {
    name: 'Worker',
    advice: 'See the Temporal check.',
    run: () => askServer(settings, findPoller),
  };
}

async function findPoller(connection: Connection, { namespace, taskQueue }: TemporalSettings): Promise<CheckOutcome> {
  const atMs = await latestPollAtMs(connection, { namespace, taskQueue });
  const of = `task queue ${taskQueue} of namespace ${namespace}`;
  if (atMs !== null && Date.now() - atMs < pollIsFreshForMs) return { status: 'ok', detail: `one polls ${of}` };
  const last = atMs === null ? 'none did lately' : `the last did at ${new Date(atMs).toISOString()}`;
  return {
    status: 'failed',
    detail: `none polls ${of}: ${last}`,
    advice: 'Start one: npx bellwether worker. If one runs, compare its TEMPORAL_NAMESPACE and BELLWETHER_TASK_QUEUE.',
  };
}

/** Leaves time for one more page before the check reaches its limit; `bellwether stuck` goes through all of them. */
const look = { atMost: 1_000, forMs: 8_000 } as const;

/** Turns and conversations that make no progress. */
export function stuckCheck(settings: Settings): Check {
  return {
    name: 'Turns',
    advice: 'See the Temporal check.',
    run: () => askServer(settings, findStuck),
  };
}

async function findStuck(connection: Connection, { namespace, taskQueue }: TemporalSettings): Promise<CheckOutcome> {
  const { stuck, running, next } = await listStuck(new Client({ connection, namespace }), taskQueue, look);
  const of = `${running} ${next ? 'newest' : 'running'} turns and conversations`;
  if (stuck.length === 0) return { status: 'ok', detail: `none of the ${of} is stuck` };
  const named = stuck.slice(0, 5).map(({ workflowId, attempt }) => `${workflowId} (attempt ${attempt})`);
  return {
    status: 'failed',
    detail: `${stuck.length} of the ${of} are stuck: ${named.join(', ')}`,
    advice: 'npx bellwether stuck lists them and says what happened to their tasks; --end ends one.',
  };
}

/** Skipped while the embedded server is not running. */
async function askServer(
  { temporal, dataDirectory }: Settings,
  ask: (connection: Connection, settings: TemporalSettings) => Promise<CheckOutcome>,
): Promise<CheckOutcome> {
  const address = temporal.address ?? embeddedServerAddress(dataDirectory);
  if (address === undefined) return { status: 'skipped', detail: 'Temporal is embedded and not running' };
  const connection = await connectToTemporal({ ...temporal, address }, '');
  try {
    return await ask(connection, temporal);
  } finally {
    await connection.close();
  }
}
