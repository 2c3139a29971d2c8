import { join } from 'node:path';
import { loadSettings } from '../config/load-settings';
import type { Settings } from '../config/settings';
import { startChild, type Child } from './child-process';

/** Which workflows and activities a worker process serves. */
export type WorkerKind = 'bellwether' | 'textbook' | 'plain';

export interface BenchWorkerOptions {
  readonly kind: WorkerKind;
  readonly temporalAddress: string;
  readonly namespace: string;
  readonly providerUrl: string;
  /** Holds the ledger: each kind has one of its own, of the same make. */
  readonly dataDirectory: string;
  readonly workflowBundle: string;
  /** Of `bellwether` workers; default: the SDK's own choice. */
  readonly maxCachedWorkflows?: number;
}

/** Each kind has its own task queue, named after it. */
export function startWorkerProcess(options: BenchWorkerOptions, nodeOptions: readonly string[]): Promise<Child> {
  return startChild(require.resolve('./worker-main'), [JSON.stringify(options)], nodeOptions);
}

/** The default configuration with the simulated provider behind it; nothing of this machine's environment. */
export function benchSettings(
  options: Omit<BenchWorkerOptions, 'workflowBundle' | 'kind'>,
  taskQueue: string,
): Settings {
  const { temporalAddress: address, namespace, providerUrl, dataDirectory } = options;
  const environment = { HOLYSHEEP_API_KEY: 'benchmark', HOLYSHEEP_BASE_URL: providerUrl };
  const settings = loadSettings({ environment, workingDirectory: dataDirectory });
  const temporal = { address, namespace, taskQueue, connectionOptions: { address } };
  return { ...settings, temporal, dataDirectory: join(dataDirectory, 'data') };
}
