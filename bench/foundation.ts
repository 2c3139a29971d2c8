import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { closeAll, closeAllAndThrow, type Closing } from '../src/platform/close-all';
import { loadSettings } from '../src/config/load-settings';
import { searchAttributeNames } from '../src/contract/names';
import type { SimulatedModels } from '../src/local/simulator/behaviour';
import type { Simulator, SimulatorOptions } from '../src/local/simulator/simulator';
import { connectSimulator, type SimulatorAddresses } from '../src/local/simulator/simulator-process';
import { startDevServer } from '../src/temporal-server/dev-server';
import { ensureTemporalBinary } from '../src/temporal-server/ensure-temporal';
import type { Reporter } from '../src/terminal/reporter';
import { startChild } from './processes';
import type { WorkerKind } from './worker-process';

export const namespace = 'bellwether';

export interface FoundationOptions {
  readonly models: SimulatedModels;
  readonly report: Reporter;
  /** Of the Temporal server; default: as `bellwether up` starts it. */
  readonly tuning?: readonly string[];
}

/** The base of every benchmark: a Temporal server and a simulated provider, each in its own process. */
export interface Foundation {
  readonly temporalAddress: string;
  readonly serverPid: number;
  readonly simulator: Simulator;
  readonly simulatorPid: number;
  /** For all data; removed when this process ends. */
  readonly directory: string;
}

/**
 * Builds a stage on a foundation. Parts registered with `onStop` are stopped in reverse order, even if building fails.
 */
export async function buildOnFoundation<Built extends object>(
  { models, report, tuning }: FoundationOptions,
  build: (foundation: Foundation, onStop: (stop: () => Promise<unknown>) => void) => Promise<Built>,
): Promise<Built & { stop(): Promise<void> }> {
  const directory = mkdtempSync(join(tmpdir(), 'bellwether-bench-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const stops: Closing[] = [];
  const onStop = (stopPart: Closing): void => void stops.push(stopPart);
  const stop = (): Promise<void> => closeAll(stops);
  try {
    const { path: binary } = await ensureTemporalBinary({ cacheDirectory: loadSettings().cacheDirectory, report });
    const dataFile = join(directory, 'temporal.db');
    const searchAttributes = Object.values(searchAttributeNames);
    const server = await startDevServer({ binary, dataFile, namespace, searchAttributes, tuning });
    onStop(() => server.stop());

    const options = JSON.stringify({ models } satisfies SimulatorOptions);
    const simulatorMain = require.resolve('../src/local/simulator/main');
    const simulatorProcess = await startChild(simulatorMain, ['--exit-with-stdin', '--options', options]);
    onStop(() => simulatorProcess.stop());
    const simulator = connectSimulator(simulatorProcess.ready as SimulatorAddresses);

    const foundation = {
      temporalAddress: server.address,
      serverPid: server.pid,
      simulator,
      simulatorPid: simulatorProcess.pid,
      directory,
    };
    return { ...(await build(foundation, onStop)), stop };
  } catch (error) {
    return closeAllAndThrow(error, stops);
  }
}

/** Node options that profile a program, if a profile is wanted. */
export function profiling(directory: string | undefined): readonly string[] {
  return directory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${directory}`];
}

/** Bundles a worker's workflows into a file of the directory. */
export async function bundleFor(kind: WorkerKind, directory: string): Promise<string> {
  const workflowsPath = kind === 'bellwether' ? require.resolve('../src/workflows') : require.resolve('./workflows');
  const workflowInterceptorModules = kind === 'bellwether' ? [require.resolve('../src/workflows/signal-floods')] : [];
  const logger = new DefaultLogger('WARN');
  const { code } = await bundleWorkflowCode({ workflowsPath, workflowInterceptorModules, logger });
  const file = join(directory, 'workflow-bundle.js');
  writeFileSync(file, code);
  return file;
}
