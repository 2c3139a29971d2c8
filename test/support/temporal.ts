import { readFileSync } from 'node:fs';
import { searchAttributeNames } from '../../src/contract/names';
import { type DevServer, devServerTuning, startDevServer } from '../../src/temporal-server/dev-server';

/** Set by global-setup for the test processes. */
export const testEnvironment = {
  binary: 'BELLWETHER_TEST_TEMPORAL_BINARY',
  address: 'BELLWETHER_TEST_TEMPORAL_ADDRESS',
  workflowBundle: 'BELLWETHER_TEST_WORKFLOW_BUNDLE',
  /** Not set by global-setup: `off` for a worker process that keeps no workflow in memory. */
  workflowCache: 'BELLWETHER_TEST_WORKFLOW_CACHE',
} as const;

export const testNamespace = 'bellwether';

/** The server that all test files share: never stop it, and give each test its own task queue and ids. */
export function sharedTemporal(): { readonly address: string; readonly namespace: string } {
  return { address: fromGlobalSetup('address'), namespace: testNamespace };
}

/** The program that global-setup found. */
export function temporalBinary(): string {
  return fromGlobalSetup('binary');
}

interface OwnTemporalOptions {
  readonly dataFile?: string;
  readonly port?: number;
  /** The number of events after which the server suggests continuing as new. Default: Temporal's own 4,096. */
  readonly historyEventsPerRun?: number;
  /** How long a workflow task's worker may be silent before another gets the task. Default: Temporal's own 10 s. */
  readonly workflowTaskTimeoutSeconds?: number;
  /**
   * From the third attempt on, Temporal adds time to a workflow task's timeout, five seconds at first and then twice as
   * much each time, as a worker on a busy machine needs. This makes it one second, for tasks that no worker survives.
   */
  readonly triesLostTasksAgainSoon?: boolean;
}

/** A server for one test file, which may stop or kill it. In memory unless a data file is given. */
export async function startOwnTemporal(
  options: OwnTemporalOptions = {},
): Promise<DevServer & { readonly namespace: string }> {
  const { historyEventsPerRun, workflowTaskTimeoutSeconds, triesLostTasksAgainSoon } = options;
  const shortRuns =
    historyEventsPerRun === undefined
      ? []
      : [`--dynamic-config-value=limit.historyCount.suggestContinueAsNew=${historyEventsPerRun}`];
  const shortTasks =
    workflowTaskTimeoutSeconds === undefined
      ? []
      : [`--dynamic-config-value=history.defaultWorkflowTaskTimeout="${workflowTaskTimeoutSeconds}s"`];
  const shortPauses = triesLostTasksAgainSoon
    ? ['--dynamic-config-value=history.workflowTaskRetryMaxInterval="1s"']
    : [];
  const server = await startDevServer({
    binary: temporalBinary(),
    dataFile: options.dataFile,
    namespace: testNamespace,
    port: options.port,
    tuning: [...devServerTuning, ...shortRuns, ...shortTasks, ...shortPauses],
    searchAttributes: Object.values(searchAttributeNames),
  });
  return { ...server, namespace: testNamespace };
}

/** The workflow code, bundled once for all test files: for `Worker.create({ workflowBundle: workflowBundle() })`. */
export function workflowBundle(): { readonly code: string } {
  return { code: readFileSync(fromGlobalSetup('workflowBundle'), 'utf8') };
}

/** Names and ids that no other test in any run has: `conversation-3f2a9c01`. */
export function unique(name: string): string {
  return `${name}-${crypto.randomUUID().slice(0, 8)}`;
}

function fromGlobalSetup(key: keyof typeof testEnvironment): string {
  const value = process.env[testEnvironment[key]];
  if (value === undefined) throw new Error(`${testEnvironment[key]} is not set: see what global-setup printed above.`);
  return value;
}
