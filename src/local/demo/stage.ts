import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BellwetherClient, connect } from '../../client';
import type { Closing } from '../../platform/close-all';
import type { Settings } from '../../config/settings';
import type { ChatReply } from '../../contract/chat';
import { searchAttributeNames } from '../../contract/names';
import { makePrivateDirectory } from '../../platform/private-directory';
import { holysheepProfile, legacyProfile } from '../simulator/behaviour';
import type { Simulator } from '../simulator/simulator';
import { startSimulatorProcess } from '../simulator/simulator-process';
import { claimDataFile, embeddedDataFile } from '../../temporal-server/data-file';
import { type DevServer, startDevServer } from '../../temporal-server/dev-server';
import { ensureTemporalBinary } from '../../temporal-server/ensure-temporal';
import type { Reporter } from '../../terminal/reporter';
import { longestStandstillMs } from './patience';
import { spawnWorker, type WorkerProcess } from './worker-process';

/** The guide's $0.50 would take hundreds of turns to spend; this much takes three long ones. */
export const demoSessionBudgetUsd = 0.005;

/** Models fail often here, and scenes that follow each other at once begin with them well: none is left alone for it. */
export const demoBreakerFailures = 1_000;

/** What the demonstration uses of the command line, which starts it. */
export interface CommandLine {
  /** The compiled program, for the commands and workers that the demonstration runs. */
  readonly program: string;
  /** One line about who answered and what it took. */
  readonly footer: (reply: ChatReply) => string;
  /** What `rollout watch` ends with. */
  readonly watchStatus: { readonly promoted: number; readonly rolledBack: number; readonly pausedOrHeld: number };
}

export interface StageOptions {
  readonly settings: Settings;
  readonly commandLine: CommandLine;
  readonly report: Reporter;
  /** Aborted by whoever ends the demonstration early, and by the stage itself when one of its parts is lost. */
  readonly ending: AbortController;
  /** Gets, for each part, how to close it, as soon as it is there. */
  readonly closings: Closing[];
}

/** Everything the demonstration plays on: all of it real but for the models. */
export interface Stage {
  readonly client: BellwetherClient;
  readonly simulator: Simulator;
  readonly server: DevServer;
  readonly dataDirectory: string;
  readonly commandLine: CommandLine;
  /** What a command or worker beside this process needs to find the stage. */
  readonly environment: NodeJS.ProcessEnv;
  /** Aborted when the demonstration ends early. */
  readonly signal: AbortSignal;
  /** Ends the demonstration, which cannot go on after this error. */
  lose(error: unknown): void;
  /** Returns once it polls. Default: in the stage's own environment. */
  startWorker(environment?: NodeJS.ProcessEnv): Promise<WorkerProcess>;
}

/** Sets up an own Temporal server, simulated providers in an own process, and the client. */
export async function setStage({ settings, commandLine, report, ending, closings }: StageOptions): Promise<Stage> {
  const { signal } = ending;
  const lose = (error: unknown): void => ending.abort(error);
  const dataDirectory = join(settings.dataDirectory, 'demo');
  await clear(dataDirectory);
  const { path } = await ensureTemporalBinary({ cacheDirectory: settings.cacheDirectory, report, signal });
  const server = await startDevServer({
    binary: path,
    dataFile: embeddedDataFile(dataDirectory),
    namespace: 'default',
    searchAttributes: Object.values(searchAttributeNames),
    log: (message) => report.note(message),
  });
  closings.push(() => server.stop());
  void server.exited.then(() => lose(lost('Temporal server', server.pid, `Its log says why: ${server.logFile}`)));
  const simulator = await startSimulatorProcess({
    models: { ...withoutAccidents(), ...legacyProfile, 'bargain-chat': {} },
  });
  closings.push(() => simulator.close());
  void simulator.exited.then(() => lose(lost('process of the simulated models', simulator.pid, 'Run it again.')));

  const { address } = server;
  const client = await connect({
    temporal: { address, namespace: 'default', connectionOptions: { address } },
    encryption: null,
    connectTimeoutMs: longestStandstillMs,
  });
  closings.push(() => client.disconnect());
  const environment = demoEnvironment(dataDirectory, address, simulator.baseUrl);
  const startWorker = async (workerEnvironment = environment): Promise<WorkerProcess> => {
    const worker = spawnWorker(commandLine.program, workerEnvironment);
    // Who ends the demonstration early does not wait for turns that nobody wants any more.
    closings.push(() => (signal.aborted ? worker.kill() : worker.stop()));
    worker.lost.catch(lose);
    await worker.started;
    return worker;
  };
  return { client, simulator, server, dataDirectory, commandLine, environment, signal, lose, startWorker };
}

function lost(part: string, pid: number, help: string): Error {
  return new Error(`The ${part} (process ${pid}) ended, and the demonstration cannot go on without it. ${help}`);
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
