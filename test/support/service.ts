import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import type { BellwetherClient } from '../../src/client/bellwether-client';
import { connect } from '../../src/client/connect';
import { loadSettings } from '../../src/config/load-settings';
import type { ConfigFileInput } from '../../src/config/schema';
import type { Settings } from '../../src/config/settings';
import type { TurnStreams } from '../../src/contract/stream';
import { createDataConverter } from '../../src/encryption/data-converter';
import type { Ledger } from '../../src/contract/ledger';
import { openLedger } from '../../src/ledger/open-ledger';
import type { SimulatedModels } from '../../src/local/simulator/behaviour';
import { type Simulator, startSimulator } from '../../src/local/simulator/simulator';
import { openTurnStreams } from '../../src/streams/open-streams';
import { type RunningWorker, startWorker } from '../../src/services/worker';
import { sharedTemporal, testEnvironment, unique } from './temporal';

// The workers' routine logs would only clutter a test's output.
Runtime.install({ logger: new DefaultLogger('ERROR') });

export const primaryModel = 'deepseek-v3.2';
export const fallbackModel = 'gemini-2.5-flash';

/** The key that services use; it must never appear in any history, log or ledger. */
export const testApiKey = 'sk-test-d41d8cd98f00b204';

export interface ServiceOptions {
  /** Default: both models of the chain, with immediate answers and no faults. */
  readonly models?: SimulatedModels;
  /** A simulator other than one in this process. */
  readonly simulator?: Simulator;
  /** The content of the user's configuration file. */
  readonly configuration?: ConfigFileInput;
  readonly environment?: Readonly<Record<string, string>>;
  /** Default: the server that all test files share. */
  readonly temporal?: { readonly address: string; readonly namespace: string };
}

/** A whole service without workers: providers, ledger, settings and a client, with its own task queue. */
export interface Service {
  readonly settings: Settings;
  /** Everything that a worker in its own process needs to know. */
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly simulator: Simulator;
  readonly client: BellwetherClient;
  /** Temporal's own client, with the service's data converter. */
  readonly temporal: Client;
  /** For reading; workers have their own ledgers on the same database. */
  readonly ledger: Ledger;
  /** The streams to which the workers of this process write. */
  readonly streams: TurnStreams;
  startWorker(): Promise<RunningWorker>;
  /** Stops the workers of this process, then everything else. */
  stop(): Promise<void>;
}

export async function prepareService(options: ServiceOptions = {}): Promise<Service> {
  const directory = mkdtempSync(join(tmpdir(), 'bellwether-service-'));
  const simulator =
    options.simulator ??
    (await startSimulator({ models: options.models ?? { [primaryModel]: {}, [fallbackModel]: {} } }));
  const environment = environmentOf(directory, simulator, options);
  const settings = loadSettings({ environment, workingDirectory: directory });
  // Half of a test's time limit: the server is already running.
  const connection = await Connection.connect({ address: settings.temporal.address, connectTimeout: '60 seconds' });
  const temporal = new Client({
    connection,
    namespace: settings.temporal.namespace,
    dataConverter: createDataConverter(settings.encryption),
  });
  const client = await connect({
    temporal: settings.temporal,
    encryption: settings.encryption ?? null,
    idKey: settings.idKey ?? null,
    connectTimeoutMs: 60_000,
  });
  const ledger = await openLedger(settings);
  const streams = openTurnStreams(settings.redisUrl);
  const workers: RunningWorker[] = [];
  return {
    settings,
    environment,
    directory,
    simulator,
    temporal,
    ledger,
    streams,
    client,
    startWorker: async () => {
      const worker = await startWorker({
        settings,
        streams,
        workflowBundle: process.env[testEnvironment.workflowBundle],
      });
      workers.push(worker);
      return worker;
    },
    stop: async () => {
      await Promise.all(workers.map((worker) => worker.stop()));
      await streams.close();
      await ledger.close();
      await client.disconnect();
      await connection.close();
      if (!options.simulator) await simulator.close();
      await rm(directory, { recursive: true });
    },
  };
}

/** The same with a worker in this process. */
export async function startService(options: ServiceOptions = {}): Promise<Service> {
  const service = await prepareService(options);
  await service.startWorker();
  return service;
}

function environmentOf(directory: string, simulator: Simulator, options: ServiceOptions): Record<string, string> {
  const configFile = join(directory, 'bellwether.json');
  const { configuration = {} } = options;
  // Amounts that tests reserve and refuse are those of this many tokens, where a test says nothing else.
  const maxTokens = Math.min(1_000, configuration.budgets?.maxCompletionTokens ?? 1_000);
  writeFileSync(configFile, JSON.stringify({ defaults: { maxTokens }, ...configuration }));
  const { address, namespace } = options.temporal ?? sharedTemporal();
  return {
    HOLYSHEEP_API_KEY: testApiKey,
    HOLYSHEEP_BASE_URL: simulator.baseUrl,
    BELLWETHER_CONFIG: configFile,
    BELLWETHER_DATA_DIR: join(directory, 'data'),
    BELLWETHER_TASK_QUEUE: unique('service'),
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: namespace,
    LOG_LEVEL: 'WARN',
    ...options.environment,
  };
}
