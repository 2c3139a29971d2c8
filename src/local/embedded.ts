import { join } from 'node:path';
import { Runtime } from '@temporalio/worker';
import type { Logger } from 'pino';
import { localKey } from '../access/local-key';
import { closeAll, closeAllAndThrow, type Closing } from '../platform/close-all';
import { configurationFingerprint } from '../config/configuration-version';
import type { Settings } from '../config/settings';
import { LiveConfiguration } from '../services/live-configuration';
import { searchAttributeNames } from '../contract/names';
import { serveGateway, type ServedGateway } from '../services/gateway';
import { holysheepProfile, legacyProfile } from './simulator/behaviour';
import { type Simulator, startSimulator } from './simulator/simulator';
import { openTurnStreams } from '../streams/open-streams';
import { type DevServer, startDevServer } from '../temporal-server/dev-server';
import { embeddedDataFile } from '../temporal-server/data-file';
import { ensureTemporalBinary } from '../temporal-server/ensure-temporal';
import { startGuardedUi, uiToken } from '../temporal-server/guarded-ui';
import type { Reporter } from '../terminal/reporter';
import { ServiceMetrics } from '../services/metrics';
import { type RunningWorker, startWorker } from '../services/worker';

export interface EmbeddedOptions {
  readonly settings: Settings;
  /** Reads the settings again. */
  readonly load: () => Settings;
  readonly report: Reporter;
  /** 0: any free port. */
  readonly port: number;
  /** 0: any free port. */
  readonly uiPort: number;
  /** 0: any free port. */
  readonly gatewayPort: number;
  readonly logger: Logger;
  readonly onError: (error: unknown) => void;
}

interface EmbeddedGateway {
  readonly url: string;
  /** Null if the ledger is shared: the key would be valid at all of its gateways. */
  readonly localKey: string | null;
  /** Logs in to the operator's page, once, within ten minutes. Null for the same reason. */
  readonly pageLink: string | null;
}

/** The parts of an embedded service, and where they run. */
export interface Embedded {
  /** The settings that the parts actually use. */
  readonly settings: Settings;
  /** Undefined if another Temporal server is configured. */
  readonly server: DevServer | undefined;
  /** Undefined without a server of our own, or if its UI cannot be hidden from web pages. */
  readonly uiLink: string | undefined;
  readonly worker: RunningWorker;
  readonly gateway: EmbeddedGateway;
  /** Stops everything in an order that loses nothing. */
  stop(): Promise<void>;
}

/** Starts Temporal (unless one is configured), simulated providers (when there is no key), a worker and a gateway. */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { settings } = options;
  const stops: Closing[] = [];
  const stop = (): Promise<void> => closeAll(stops);
  try {
    const server = settings.temporal.address === undefined ? await startServer(options) : undefined;
    if (server) stops.push(() => server.stop());
    const ui = server && (await startUi(options, server));
    if (ui) stops.push(() => ui.close());

    const simulator = settings.simulated
      ? await startSimulator({ models: { ...holysheepProfile, ...legacyProfile } })
      : undefined;
    if (simulator) stops.push(() => simulator.close());

    const place = (read: Settings) => withProviders(withTemporal(read, server), simulator);
    const resolved = place(settings);
    const metrics = new ServiceMetrics();
    const configuration = new LiveConfiguration({
      settings: resolved,
      load: () => place(options.load()),
      fingerprint: configurationFingerprint,
      logger: options.logger,
    });
    // Early, so that it stops late: without its listener, a SIGHUP would end the process amid its running turns.
    stops.push(async () => configuration.stop());
    metrics.watchConfiguration(configuration);
    const streams = openTurnStreams(settings.redisUrl, Runtime.instance().logger, metrics.redis);
    stops.push(() => streams.close());
    const worker = await startWorker({ settings: resolved, configuration, streams, metrics, onError: options.onError });
    stops.push(() => worker.stop());
    // Without the token in the link: whoever looks at the page need not see Temporal.
    const temporalUiUrl = ui === undefined ? null : new URL(ui.link).origin;
    const service = { isSimulated: settings.simulated, temporalUiUrl };
    const gateway = await serveGateway({
      ...gatewayPlace(options),
      settings: resolved,
      configuration,
      streams,
      worker,
      metrics,
      service,
    });
    stops.push(() => gateway.close());
    configuration.start();
    return {
      settings: resolved,
      server,
      uiLink: ui?.link,
      worker,
      gateway: await withLocalKeys(gateway, resolved),
      stop,
    };
  } catch (error) {
    return closeAllAndThrow(error, stops, options.onError);
  }
}

/** Loopback only: this is a local trial. */
function gatewayPlace({ gatewayPort, logger }: EmbeddedOptions) {
  return { host: '127.0.0.1', port: gatewayPort, logger, openMetrics: true };
}

async function withLocalKeys(gateway: ServedGateway, settings: Settings): Promise<EmbeddedGateway> {
  const { url } = gateway;
  if (settings.databaseUrl !== undefined) return { url, localKey: null, pageLink: null };
  const key = await localKey(gateway.ledger.keys, settings.dataDirectory, 'chat');
  const operatorKey = await localKey(gateway.ledger.keys, settings.dataDirectory, 'operator');
  return { url, localKey: key, pageLink: gateway.loginLink(operatorKey) };
}

async function startServer({ settings, report, port }: EmbeddedOptions): Promise<DevServer> {
  const { path } = await ensureTemporalBinary({ cacheDirectory: settings.cacheDirectory, report });
  return startDevServer({
    binary: path,
    dataFile: embeddedDataFile(settings.dataDirectory),
    namespace: settings.temporal.namespace,
    port,
    ui: true,
    searchAttributes: Object.values(searchAttributeNames),
    logFile: join(settings.dataDirectory, 'temporal-server.log'),
    log: (message) => report.note(message),
  });
}

async function startUi({ settings, uiPort }: EmbeddedOptions, { hiddenUiUrl }: DevServer) {
  if (hiddenUiUrl === undefined) return undefined;
  return startGuardedUi({ upstream: hiddenUiUrl, port: uiPort, token: await uiToken(settings.dataDirectory) });
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
