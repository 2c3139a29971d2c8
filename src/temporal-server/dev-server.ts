import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { makePrivateDirectory } from '../platform/private-directory';
import { errorMessage } from '../contract/failures';
import { claimDataFile, type DataFileClaim } from './data-file';
import { lastLogLines, spawnDevServer, type DevServerProcess } from './dev-server-process';
import { waitUntilReady } from './namespace';
import { assertPortFree, findFreePort, findHiddenAddress } from './ports';

/** How often to start if another program takes the chosen port first: once is rare, three times is no accident. */
const maxStarts = 3;

/** Settings that make the dev server fast; `npm run bench -- server` measures the effect of each. */
export const devServerTuning: readonly string[] = [
  // A commit is one append to the log instead of a rewritten file and a journal.
  '--sqlite-pragma=journal_mode=wal',
  // By default, the queue that hands tasks to workers polls the database 20 times a second, and a turn waits for that
  // poll.
  '--dynamic-config-value=history.transferProcessorMaxPollRPS=5000',
];

/**
 * The server opens an HTTP API on a port of its own choice. That cannot be turned off, and the API answers any web
 * page. We use gRPC, which web pages cannot.
 */
const closedHttpApi: readonly string[] = [
  // A `Host` never contains a slash, so every request is refused.
  '--dynamic-config-value=frontend.httpAllowedHosts=["/"]',
  // Nexus has routes on the same port that this list does not cover. Server 1.32 ignores the setting; there, a Nexus
  // request waits for a Nexus worker, and there is none.
  '--dynamic-config-value=system.enableNexus=false',
];

export interface DevServerOptions {
  /** The `temporal` program. */
  readonly binary: string;
  /** Undefined: in memory, lost when the server stops. */
  readonly dataFile: string | undefined;
  readonly namespace: string;
  /** Default 127.0.0.1. */
  readonly ip?: string;
  /** 0, the default: any free port. */
  readonly port?: number;
  /** Whether to run Temporal's UI, at a hidden address. Default: false. */
  readonly ui?: boolean;
  /** Names, registered as Keyword. */
  readonly searchAttributes: readonly string[];
  /** Further arguments. Default: `devServerTuning`. */
  readonly tuning?: readonly string[];
  /**
   * Default: `temporal-server.log` beside the data file; in memory, a temporary file that is removed with the server.
   */
  readonly logFile?: string;
  /** Receives messages about unusual events. */
  readonly log?: (message: string) => void;
}

export interface DevServer extends DevServerProcess {
  /** `host:port` for clients and workers. */
  readonly address: string;
  /** Where the UI listens, for the guard in front of it. Undefined without a UI, or where it cannot be hidden. */
  readonly hiddenUiUrl: string | undefined;
  readonly logFile: string;
}

/** The server did not start. The message contains the last lines of its log. */
class DevServerStartError extends Error {
  override readonly name = 'DevServerStartError';
}

/**
 * Starts Temporal's development server and returns once it is ready. It runs in its own process group, so that Ctrl-C
 * at the terminal reaches only our process, which stops the server after its worker has drained.
 * @throws DataFileInUseError when another process runs a server on the data file
 * @throws DevServerStartError
 */
export async function startDevServer(options: DevServerOptions): Promise<DevServer> {
  const claim = options.dataFile === undefined ? undefined : await claimDataFile(options.dataFile, options.log);
  const anyPortWillDo = !options.port;
  for (let start = 1; ; start++) {
    try {
      const server = await startOnce(options, claim);
      void server.exited.then(() => claim?.release());
      return server;
    } catch (error) {
      const collided = error instanceof DevServerStartError && error.message.includes('address already in use');
      if (!collided || !anyPortWillDo || start === maxStarts) {
        claim?.release();
        throw error;
      }
      options.log?.('A free port was taken before the Temporal server could listen on it; trying other ports.');
    }
  }
}

async function startOnce(options: DevServerOptions, claim: DataFileClaim | undefined): Promise<DevServer> {
  const { binary, dataFile, namespace, searchAttributes, tuning = devServerTuning, ip = '127.0.0.1' } = options;
  const port = await choosePort(ip, options.port ?? 0);
  const ui = options.ui ? await findHiddenAddress() : undefined;
  const address = `${ip}:${port}`;
  const hiddenUiUrl = ui && `http://${ui.ip}:${ui.port}`;
  const logFile = options.logFile ?? defaultLogFile(dataFile);
  makePrivateDirectory(dirname(logFile));

  const flags = devServerArguments({ ip, port, ui, namespace, dataFile, searchAttributes, tuning });
  const server = await spawnDevServer(binary, flags, logFile).catch((error: unknown) => {
    throw startError(binary, error, undefined);
  });
  claim?.recordServer({ pid: server.pid, address });

  const ended = new AbortController();
  void server.exited.then(({ code, signal }) => ended.abort(new Error(`it ended with ${signal ?? `status ${code}`}`)));
  try {
    await waitUntilReady({ address, namespace, searchAttributes, signal: ended.signal });
  } catch (error) {
    await server.kill();
    throw startError(binary, error, logFile);
  }
  claim?.recordComplete();
  if (dataFile === undefined && options.logFile === undefined) {
    void server.exited.then(() => rmSync(dirname(logFile), { recursive: true }));
  }
  return { ...server, address, hiddenUiUrl, logFile };
}

/** Checks a requested port first: a program that listens there could be mistaken for our server. */
async function choosePort(ip: string, wanted: number): Promise<number> {
  if (wanted === 0) return findFreePort(ip);
  await assertPortFree(ip, wanted).catch((error: unknown) => {
    const help = 'Stop the program that uses it, or choose another port';
    throw new DevServerStartError(`Port ${wanted} cannot be used: ${errorMessage(error)}. ${help}.`, { cause: error });
  });
  return wanted;
}

function defaultLogFile(dataFile: string | undefined): string {
  const directory = dataFile === undefined ? mkdtempSync(join(tmpdir(), 'bellwether-temporal-')) : dirname(dataFile);
  return join(directory, 'temporal-server.log');
}

function startError(binary: string, cause: unknown, logFile: string | undefined): DevServerStartError {
  const log = logFile === undefined ? '' : `\nIts log, ${logFile}, ends with:\n${lastLogLines(logFile)}`;
  return new DevServerStartError(`The Temporal server (${binary}) did not start: ${errorMessage(cause)}.${log}`, {
    cause,
  });
}

interface Listener {
  readonly ip: string;
  readonly port: number;
}

interface DevServerFlags {
  readonly ip: string;
  readonly port: number;
  readonly ui: Listener | undefined;
  readonly namespace: string;
  readonly dataFile: string | undefined;
  readonly searchAttributes: readonly string[];
  readonly tuning: readonly string[];
}

/** Arguments of the `temporal` command for a development server. */
function devServerArguments(flags: DevServerFlags): string[] {
  return [
    'server',
    'start-dev',
    `--ip=${flags.ip}`,
    `--port=${flags.port}`,
    ...(flags.ui === undefined ? ['--headless'] : [`--ui-ip=${flags.ui.ip}`, `--ui-port=${flags.ui.port}`]),
    ...(flags.dataFile === undefined ? [] : [`--db-filename=${flags.dataFile}`]),
    `--namespace=${flags.namespace}`,
    ...flags.searchAttributes.map((name) => `--search-attribute=${name}=Keyword`),
    ...closedHttpApi,
    ...flags.tuning,
  ];
}
