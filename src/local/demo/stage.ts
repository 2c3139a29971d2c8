import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BellwetherClient, connect } from '../../client';
import { closeAll, closeAllAndThrow, type Closing } from '../../platform/close-all';
import type { Settings } from '../../config/settings';
import { searchAttributeNames } from '../../contract/names';
import { makePrivateDirectory } from '../../platform/private-directory';
import { holysheepProfile, legacyProfile } from '../simulator/behaviour';
import type { Simulator } from '../simulator/simulator';
import { startSimulatorProcess } from '../simulator/simulator-process';
import { claimDataFile, embeddedDataFile } from '../../temporal-server/data-file';
import { type DevServer, startDevServer } from '../../temporal-server/dev-server';
import { ensureTemporalBinary } from '../../temporal-server/ensure-temporal';
import type { Reporter } from '../../terminal/reporter';
import { startWorkerProcess, type WorkerProcess } from './worker-process';

/** The guide's $0.50 would take hundreds of turns to spend; this much takes three long ones. */
export const demoSessionBudgetUsd = 0.005;

/** Models fail often here, and scenes that follow each other at once begin with them well: none is left alone for it. */
export const demoBreakerFailures = 1_000;

/** Everything the demonstration plays on: all of it real but for the models. */
export interface Stage {
  readonly client: BellwetherClient;
  readonly simulator: Simulator;
  readonly server: DevServer;
  readonly dataDirectory: string;
  /** What a command or worker beside this process needs to find the stage. */
  readonly environment: NodeJS.ProcessEnv;
  startWorker(): Promise<WorkerProcess>;
  /** Ends everything that was started. */
  close(): Promise<void>;
}

/** Sets up an own Temporal server, simulated providers in an own process, and the client. */
export async function setStage(settings: Settings, report: Reporter): Promise<Stage> {
  const dataDirectory = join(settings.dataDirectory, 'demo');
  const closes: Closing[] = [];
  const close = (): Promise<void> => closeAll(closes);
  try {
    await clear(dataDirectory);
    const { path } = await ensureTemporalBinary({ cacheDirectory: settings.cacheDirectory, report });
    const server = await startDevServer({
      binary: path,
      dataFile: embeddedDataFile(dataDirectory),
      namespace: 'default',
      searchAttributes: Object.values(searchAttributeNames),
      log: (message) => report.note(message),
    });
    closes.push(() => server.stop());
    const simulator = await startSimulatorProcess({
      models: { ...withoutAccidents(), ...legacyProfile, 'bargain-chat': {} },
    });
    closes.push(() => simulator.close());

    const { address } = server;
    const client = await connect({
      temporal: { address, namespace: 'default', connectionOptions: { address } },
      encryption: null,
    });
    closes.push(() => client.disconnect());
    const environment = demoEnvironment(dataDirectory, address, simulator.baseUrl);
    const startWorker = async (): Promise<WorkerProcess> => {
      const worker = await startWorkerProcess(environment);
      closes.push(() => worker.stop());
      return worker;
    };
    return { client, simulator, server, dataDirectory, environment, startWorker, close };
  } catch (error) {
    return closeAllAndThrow(error, closes);
  }
}

/** An earlier demonstration's files go, unless it is still running: the claim says so. */
async function clear(dataDirectory: string): Promise<void> {
  const claim = await claimDataFile(embeddedDataFile(dataDirectory));
  claim.release();
  rmSync(dataDirectory, { recursive: true, force: true });
  makePrivateDirectory(dataDirectory);
  writeFileSync(
    configFileOf(dataDirectory),
    `budgets: { sessionUsd: ${demoSessionBudgetUsd} }\nbreaker: { failures: ${demoBreakerFailures} }\n`,
  );
}

function configFileOf(dataDirectory: string): string {
  return join(dataDirectory, 'bellwether.config.yaml');
}

/** Latencies as in the guide; faults come only where the story wants them. */
function withoutAccidents() {
  return Object.fromEntries(
    Object.entries(holysheepProfile).map(([model, behaviour]) => [model, { ...behaviour, randomFaults: [] }]),
  );
}

/** Of this process's environment only what programs need to run, so that no setting of the user's own leaks in. */
function demoEnvironment(dataDirectory: string, address: string, baseUrl: string): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR, TERM, NO_COLOR } = process.env;
  return {
    PATH,
    HOME,
    TMPDIR,
    TERM,
    NO_COLOR,
    TEMPORAL_ADDRESS: address,
    HOLYSHEEP_BASE_URL: baseUrl,
    HOLYSHEEP_API_KEY: 'simulated',
    BELLWETHER_DATA_DIR: dataDirectory,
    BELLWETHER_CONFIG: configFileOf(dataDirectory),
    LOG_LEVEL: 'info',
  };
}
