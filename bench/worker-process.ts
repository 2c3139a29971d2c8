import { join } from 'node:path';
import { loadSettings } from '../src/config/load-settings';
import type { Settings } from '../src/config/settings';
import { type Child, startChild } from './processes';

/** Which workflows and activities a worker process serves. */
export type WorkerKind = 'bellwether' | 'textbook' | 'plain';

/** Where one of our programs finds its services and files. */
export interface BenchPlace {
  readonly temporalAddress: string;
  readonly namespace: string;
  readonly providerUrl: string;
  /** Contains the ledger; each kind has its own. */
  readonly dataDirectory: string;
  /** Default: the service's own configuration. */
  readonly configFile?: string | undefined;
  /** Default: streams stay in the process. */
  readonly redisUrl?: string | undefined;
}

export interface BenchWorkerOptions extends BenchPlace {
  readonly kind: WorkerKind;
  readonly workflowBundle: string;
  /** Of `bellwether` workers; default: the SDK's own choice. */
  readonly maxCachedWorkflows?: number;
}

/** Each kind has its own task queue, named after it. */
export function startWorkerProcess(options: BenchWorkerOptions, nodeOptions: readonly string[]): Promise<Child> {
  return startChild(require.resolve('./worker-main'), [JSON.stringify(options)], nodeOptions);
}

/** Settings that use the simulated provider and ignore this machine's environment. */
export function benchSettings(place: BenchPlace, taskQueue: string): Settings {
  const { temporalAddress: address, namespace, providerUrl, dataDirectory, configFile, redisUrl } = place;
  const environment = {
    HOLYSHEEP_API_KEY: 'benchmark',
    HOLYSHEEP_BASE_URL: providerUrl,
    ...(redisUrl !== undefined && { REDIS_URL: redisUrl }),
  };
  const settings = loadSettings({ environment, workingDirectory: dataDirectory, configFile });
  const temporal = { address, namespace, taskQueue, connectionOptions: { address } };
  return { ...settings, temporal, dataDirectory: join(dataDirectory, 'data') };
}
