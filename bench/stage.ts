import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { createProvider } from '../src/providers/openai-compatible';
import type { Child } from './processes';
import { chosenWays } from './flags';
import {
  buildOnFoundation,
  bundleFor,
  namespace,
  profiling,
  type Foundation,
  type FoundationOptions,
} from './foundation';
import { createWays, type Way } from './ways';
import { benchSettings, startWorkerProcess, type WorkerKind } from './worker-process';

const model = 'deepseek-v3.2';

/** Everything the ways run on: one server, one provider, a worker process for each kind, and this process as the caller. */
export interface Stage extends Foundation {
  readonly client: Client;
  readonly workers: ReadonlyMap<WorkerKind, Child>;
  readonly ways: readonly Way[];
  readonly providerLatencyMs: number;
  stop(): Promise<void>;
}

export interface StageOptions extends Omit<FoundationOptions, 'models'> {
  /** Names of the selected ways; undefined: all. */
  readonly only: readonly string[] | undefined;
  readonly providerLatencyMs: number;
  /** Where the workers' CPU profiles go. */
  readonly profileDirectory: string | undefined;
  /** Workflows that a worker keeps in memory; default: the SDK's own choice. */
  readonly maxCachedWorkflows?: number;
}

export function buildStage(options: StageOptions): Promise<Stage> {
  const { only, providerLatencyMs, profileDirectory, maxCachedWorkflows } = options;
  const models = { [model]: { latency: { kind: 'fixed', ms: providerLatencyMs } } } as const;
  return buildOnFoundation({ ...options, models }, async (foundation, onStop) => {
    const { temporalAddress, simulator, directory } = foundation;
    const connection = await Connection.connect({ address: temporalAddress });
    onStop(() => connection.close());
    const client = new Client({ connection, namespace });
    const common = { temporalAddress, namespace, providerUrl: simulator.baseUrl };
    const [providerSettings] = benchSettings({ ...common, dataDirectory: directory }, 'none').providers;
    if (!providerSettings) throw new Error('The default configuration has no provider.');
    const provider = createProvider(providerSettings);
    onStop(() => provider.close());
    const ways = chosenWays(createWays(client, provider, model), only);

    const workers = new Map<WorkerKind, Child>();
    for (const kind of new Set(ways.flatMap(({ worker }) => worker ?? []))) {
      const dataDirectory = join(directory, kind);
      mkdirSync(dataDirectory);
      const workflowBundle = await bundleFor(kind, dataDirectory);
      const worker = await startWorkerProcess(
        { ...common, kind, dataDirectory, workflowBundle, maxCachedWorkflows },
        profiling(profileDirectory),
      );
      onStop(() => worker.stop());
      workers.set(kind, worker);
    }
    return { ...foundation, client, workers, ways, providerLatencyMs };
  });
}
