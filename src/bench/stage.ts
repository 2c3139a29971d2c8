import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { BellwetherClient } from '../client/bellwether-client';
import { loadSettings } from '../config/load-settings';
import { searchAttributeNames } from '../contract/names';
import { createProvider } from '../providers/openai-compatible';
import type { Simulator, SimulatorOptions } from '../simulator/simulator';
import { connectSimulator, type SimulatorAddresses } from '../simulator/simulator-process';
import { startDevServer } from '../temporal-server/dev-server';
import { ensureTemporalBinary } from '../temporal-server/ensure-temporal';
import type { Reporter } from '../temporal-server/reporter';
import { startChild, type Child } from './child-process';
import { bellwetherConversation, bellwetherOneShot } from './ways/bellwether';
import { directCall } from './ways/direct';
import { plain } from './ways/plain';
import { textbook } from './ways/textbook';
import type { Way } from './ways/way';
import { benchSettings, startWorkerProcess, type WorkerKind } from './worker-process';

const namespace = 'bellwether';

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
  readonly providerLatencyMs: number;
  /** Where the workers' CPU profiles go. */
  readonly profileDirectory: string | undefined;
  readonly report: Reporter;
}

export async function buildStage({ providerLatencyMs, profileDirectory, report }: StageOptions): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), 'bellwether-bench-'));
  const removeDirectory = (): void => rmSync(directory, { recursive: true, force: true });
  process.once('exit', removeDirectory);
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const stopPart of stops.splice(0).toReversed()) await stopPart();
  };
  try {
    const { path: binary } = await ensureTemporalBinary({ cacheDirectory: loadSettings().cacheDirectory, report });
    const server = await startDevServer({
      binary,
      dataFile: join(directory, 'temporal.db'),
      namespace,
      searchAttributes: Object.values(searchAttributeNames),
    });
    stops.push(() => server.stop());

    const latency = { kind: 'fixed', ms: providerLatencyMs } as const;
    const models = { 'deepseek-v3.2': { latency }, 'gemini-2.5-flash': { latency } };
    const simulatorOptions = JSON.stringify({ models } satisfies SimulatorOptions);
    const simulatorScript = require.resolve('../simulator/main');
    const simulatorProcess = await startChild(simulatorScript, ['--exit-with-stdin', '--options', simulatorOptions]);
    stops.push(() => simulatorProcess.stop());
    const simulator = connectSimulator(simulatorProcess.ready as SimulatorAddresses);

    const bundles = await bundleAll(directory);
    const common = { temporalAddress: server.address, namespace, providerUrl: simulator.baseUrl };
    const nodeOptions = profileDirectory ? ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`] : [];
    const workers = new Map<WorkerKind, Child>();
    for (const kind of ['bellwether', 'textbook', 'plain'] as const) {
      const dataDirectory = join(directory, kind);
      mkdirSync(dataDirectory);
      const workflowBundle = kind === 'bellwether' ? bundles.bellwether : bundles.compared;
      const worker = await startWorkerProcess({ ...common, kind, dataDirectory, workflowBundle }, nodeOptions);
      stops.push(() => worker.stop());
      workers.set(kind, worker);
    }

    const connection = await Connection.connect({ address: server.address });
    stops.push(() => connection.close());
    const client = new Client({ connection, namespace });
    const settings = benchSettings({ ...common, dataDirectory: directory }, 'bellwether');
    const [providerSettings] = settings.providers;
    if (!providerSettings) throw new Error('The default configuration has no provider.');
    const provider = createProvider(providerSettings);
    stops.push(() => provider.close());
    const bellwether = new BellwetherClient(client, 'bellwether');
    const ways = [
      bellwetherConversation(bellwether),
      bellwetherOneShot(bellwether),
      directCall(provider, 'deepseek-v3.2'),
      textbook(client),
      plain(client),
    ];
    const { pid: simulatorPid } = simulatorProcess;
    return { client, simulator, simulatorPid, serverPid: server.pid, workers, ways, providerLatencyMs, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function bundleAll(directory: string): Promise<{ bellwether: string; compared: string }> {
  const bundle = async (name: string, workflowsPath: string): Promise<string> => {
    const { code } = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
    const file = join(directory, `${name}.js`);
    writeFileSync(file, code);
    return file;
  };
  return {
    bellwether: await bundle('bellwether-workflows', require.resolve('../workflows')),
    compared: await bundle('compared-workflows', require.resolve('./workflows')),
  };
}
