import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { loadSettings } from '../config/load-settings';
import { searchAttributeNames } from '../contract/names';
import { createProvider } from '../providers/openai-compatible';
import type { Simulator, SimulatorOptions } from '../simulator/simulator';
import { connectSimulator, type SimulatorAddresses } from '../simulator/simulator-process';
import { startDevServer } from '../temporal-server/dev-server';
import { ensureTemporalBinary } from '../temporal-server/ensure-temporal';
import type { Reporter } from '../temporal-server/reporter';
import { bundleFor } from './bundles';
import { startChild, type Child } from './child-process';
import { createWays } from './ways/create-ways';
import type { Way } from './ways/way';
import { benchSettings, startWorkerProcess, type WorkerKind } from './worker-process';

const namespace = 'bellwether';
const model = 'deepseek-v3.2';

/** Everything the ways run on: one server, one provider, a worker process for each kind, and this process as the caller. */
export interface Stage {
  readonly client: Client;
  readonly simulator: Simulator;
  readonly simulatorPid: number;
  readonly serverPid: number;
  readonly workers: ReadonlyMap<WorkerKind, Child>;
  readonly ways: readonly Way[];
  readonly providerLatencyMs: number;
  stop(): Promise<void>;
}

export interface StageOptions {
  /** Names of the ways that are wanted; undefined: all. */
  readonly only: readonly string[] | undefined;
  readonly providerLatencyMs: number;
  /** Where the workers' CPU profiles go. */
  readonly profileDirectory: string | undefined;
  readonly report: Reporter;
  /** Of the Temporal server; default: as `bellwether up` starts it. */
  readonly tuning?: readonly string[];
  /** Workflows that a worker keeps in memory; default: the SDK's own choice. */
  readonly maxCachedWorkflows?: number;
}

/** All data is in a temporary directory, which goes with this process. */
export async function buildStage(options: StageOptions): Promise<Stage> {
  const { only, providerLatencyMs, profileDirectory, report, maxCachedWorkflows } = options;
  const directory = mkdtempSync(join(tmpdir(), 'bellwether-bench-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const stopPart of stops.splice(0).toReversed()) await stopPart();
  };
  try {
    const { path: binary } = await ensureTemporalBinary({ cacheDirectory: loadSettings().cacheDirectory, report });
    const searchAttributes = Object.values(searchAttributeNames);
    const server = await startDevServer({
      binary,
      dataFile: join(directory, 'temporal.db'),
      namespace,
      searchAttributes,
      tuning: options.tuning,
    });
    stops.push(() => server.stop());

    const simulatorProcess = await startSimulator(providerLatencyMs);
    stops.push(() => simulatorProcess.stop());
    const simulator = connectSimulator(simulatorProcess.ready as SimulatorAddresses);

    const connection = await Connection.connect({ address: server.address });
    stops.push(() => connection.close());
    const client = new Client({ connection, namespace });
    const common = { temporalAddress: server.address, namespace, providerUrl: simulator.baseUrl };
    const [providerSettings] = benchSettings({ ...common, dataDirectory: directory }, 'none').providers;
    if (!providerSettings) throw new Error('The default configuration has no provider.');
    const provider = createProvider(providerSettings);
    stops.push(() => provider.close());
    const ways = createWays(client, provider, model).filter(({ name }) => only?.includes(name) ?? true);
    if (ways.length === 0) throw new Error(`No way is named ${only?.join(', ')}: see --only in the help.`);

    const workers = new Map<WorkerKind, Child>();
    const nodeOptions = profileDirectory ? ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`] : [];
    for (const kind of new Set(ways.flatMap(({ worker }) => worker ?? []))) {
      const dataDirectory = join(directory, kind);
      mkdirSync(dataDirectory);
      const workflowBundle = await bundleFor(kind, dataDirectory);
      const worker = await startWorkerProcess(
        { ...common, kind, dataDirectory, workflowBundle, maxCachedWorkflows },
        nodeOptions,
      );
      stops.push(() => worker.stop());
      workers.set(kind, worker);
    }
    const { pid: simulatorPid } = simulatorProcess;
    return { client, simulator, simulatorPid, serverPid: server.pid, workers, ways, providerLatencyMs, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function startSimulator(latencyMs: number): Promise<Child> {
  const latency = { kind: 'fixed', ms: latencyMs } as const;
  const options = JSON.stringify({ models: { [model]: { latency } } } satisfies SimulatorOptions);
  return startChild(require.resolve('../simulator/main'), ['--exit-with-stdin', '--options', options]);
}
