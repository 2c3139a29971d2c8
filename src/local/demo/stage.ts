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

/** Models fail often here, and each scene starts right after the last one: no circuit may open. */
export const demoBreakerFailures = 1_000;

/** The parts of the command line that the demonstration uses. */
export interface CommandLine {
  /** The compiled program, for the commands and workers that the demonstration runs. */
  readonly program: string;
  /** One line: who answered, how long it took and what it cost. */
  readonly footer: (reply: ChatReply) => string;
  /** Exit statuses of `rollout watch`. */
  readonly watchStatus: { readonly promoted: number; readonly rolledBack: number; readonly pausedOrHeld: number };
}

export interface StageOptions {
  readonly settings: Settings;
  readonly commandLine: CommandLine;
  readonly report: Reporter;
  /** Aborted to end the demonstration early, and by the stage itself if one of its parts is lost. */
  readonly ending: AbortController;
  /** Each part is registered here as soon as it is open. */
  readonly closings: Closing[];
}

/** Everything that the demonstration runs on; all of it is real except the models. */
export interface Stage {
  readonly client: BellwetherClient;
  readonly simulator: Simulator;
  readonly server: DevServer;
  readonly dataDirectory: string;
  readonly commandLine: CommandLine;
  /** The environment in which a command or worker process finds the stage. */
  readonly environment: NodeJS.ProcessEnv;
  /** Aborted when the demonstration ends early. */
  readonly signal: AbortSignal;
  /** Ends the demonstration, which cannot continue after this error. */
  lose(error: unknown): void;
  /** Returns once it polls. Default: in the stage's own environment. */
  startWorker(environment?: NodeJS.ProcessEnv): Promise<WorkerProcess>;
}

/** Sets up a separate Temporal server, simulated providers in their own process, and the client. */
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
    models: { ...withoutAccidents(), ...legacyProfile, 'bargain-chat': {}, 'brittle-chat': {} },
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
    // If the demonstration ends early, it does not wait for turns whose answers are no longer needed.
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

/** Removes the files of an earlier demonstration; the claim throws if that is still running. */
async function clear(dataDirectory: string): Promise<void> {
  const claim = await claimDataFile(embeddedDataFile(dataDirectory));
  claim.release();
  rmSync(dataDirectory, { recursive: true, force: true });
  makePrivateDirectory(dataDirectory);
  writeFileSync(
    configFileOf(dataDirectory),
    [
      `budgets: { sessionUsd: ${demoSessionBudgetUsd} }`,
      // Half of what a request may have, so that one turn of the dearer model fits the small budget.
      'defaults: { maxTokens: 1000 }',
      `breaker: { failures: ${demoBreakerFailures} }`,
      '',
    ].join('\n'),
  );
}

function configFileOf(dataDirectory: string): string {
  return join(dataDirectory, 'bellwether.config.yaml');
}

/** Latencies as in the guide, but faults only where the scenes inject them. */
function withoutAccidents() {
  return Object.fromEntries(
    Object.entries(holysheepProfile).map(([model, behaviour]) => [model, { ...behaviour, randomFaults: [] }]),
  );
}

/** Passes on only what programs need to run, so that no user settings leak in. */
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
