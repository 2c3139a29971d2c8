import { join } from 'node:path';
import { Runtime } from '@temporalio/worker';
import type { Settings } from './config/settings';
import { searchAttributeNames } from './contract/names';
import type { TurnStreams } from './contract/stream';
import { holysheepProfile, legacyProfile } from './simulator/profiles';
import type { Simulator } from './simulator/simulator';
import { startSimulator } from './simulator/simulator';
import { openTurnStreams } from './streams/open-streams';
import type { DevServer } from './temporal-server/dev-server';
import { startDevServer } from './temporal-server/dev-server';
import { embeddedDataFile } from './temporal-server/embedded-data-file';
import { ensureTemporalBinary } from './temporal-server/ensure-temporal';
import type { Reporter } from './temporal-server/reporter';
import type { RunningWorker } from './worker';
import { startWorker } from './worker';

export interface EmbeddedOptions {
  readonly settings: Settings;
  readonly report: Reporter;
  /** 0: any free port. */
  readonly port: number;
  readonly uiPort: number;
  readonly onError: (error: unknown) => void;
}

/** Everything in one place: what runs where. */
export interface Embedded {
  /** The settings that the parts really run with. */
  readonly settings: Settings;
  /** Undefined when a Temporal of one's own is configured. */
  readonly server: DevServer | undefined;
  readonly worker: RunningWorker;
  /** Where the worker's streamed turns show their text. */
  readonly streams: TurnStreams;
  /** Ends everything in the order in which nothing is lost. */
  stop(): Promise<void>;
}

/** Starts Temporal (unless one is configured), simulated providers (when there is no key) and a worker. */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { settings } = options;
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const stopPart of stops.splice(0).toReversed()) await stopPart();
  };
  try {
    const server = settings.temporal.address === undefined ? await startServer(options) : undefined;
    if (server) stops.push(() => server.stop());

    const simulator = settings.simulated
      ? await startSimulator({ models: { ...holysheepProfile, ...legacyProfile } })
      : undefined;
    if (simulator) stops.push(() => simulator.close());

    const resolved = withProviders(withTemporal(settings, server), simulator);
    const streams = openTurnStreams(settings.redisUrl, Runtime.instance().logger);
    stops.push(() => streams.close());
    const worker = await startWorker({ settings: resolved, streams, onError: options.onError });
    stops.push(() => worker.stop());
    return { settings: resolved, server, worker, streams, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startServer({ settings, report, port, uiPort }: EmbeddedOptions): Promise<DevServer> {
  const { path } = await ensureTemporalBinary({ cacheDirectory: settings.cacheDirectory, report });
  return startDevServer({
    binary: path,
    dataFile: embeddedDataFile(settings.dataDirectory),
    namespace: settings.temporal.namespace,
    port,
    uiPort,
    searchAttributes: Object.values(searchAttributeNames),
    logFile: join(settings.dataDirectory, 'temporal-server.log'),
    log: (message) => report.note(message),
  });
}

function withTemporal(settings: Settings, server: Pick<DevServer, 'address'> | undefined): Settings {
  if (!server) return settings;
  const { address } = server;
  return { ...settings, temporal: { ...settings.temporal, address, connectionOptions: { address } } };
}

function withProviders(settings: Settings, simulator: Simulator | undefined): Settings {
  if (!simulator) return settings;
  const providers = settings.providers.map((provider) => ({ ...provider, baseUrl: simulator.baseUrl }));
  return { ...settings, providers };
}
