import { Command } from 'commander';
import { configurationFingerprint } from '../config/configuration-version';
import { withKnownAddress } from '../config/connection-settings';
import { prepareLedgerDirectory } from '../config/data-directory';
import { loadSettings } from '../config/load-settings';
import { simulatedBaseUrl } from '../config/providers';
import { type MetricsSettings, type Settings, SettingsError } from '../config/settings';
import type { ProviderSettings } from '../contract/provider';
import type { MetricsPlace } from '../services/metrics-server';
import { findFreePort } from '../temporal-server/ports';
import { parsePort } from './options';
import { untilStopped } from './stop-signals';

/**
 * Without a key, a worker would take turns and answer all of them with an apology. A server that is called without TLS, such
 * as vLLM or Ollama on the same network, may need no key.
 * @throws {SettingsError}
 */
function requireProviderKey({ simulated, providers }: Settings): void {
  if (!simulated || providers.some(isNearby)) return;
  const names = providers.map(({ name }) => name).join(', ');
  throw new SettingsError([
    `providers: none of them (${names}) has an API key, so no model can be called. Set HOLYSHEEP_API_KEY, or the variable or file that \`apiKeyEnv\` or \`apiKeyFile\` of your provider names. (Without a key, \`bellwether up\` simulates the models.)`,
  ]);
}

function isNearby({ baseUrl }: Pick<ProviderSettings, 'baseUrl'>): boolean {
  return baseUrl.startsWith('http:') && baseUrl !== simulatedBaseUrl;
}

const loopback = '127.0.0.1';

interface WorkerFlags {
  readonly metricsHost?: string;
  readonly metricsPort?: number;
}

export function workerCommand(): Command {
  return new Command('worker')
    .description('run a worker against your own Temporal, or the one that `up` runs here')
    .option('--metrics-port <port>', 'serve metrics for Prometheus at this port, 0 for any free one', parsePort)
    .option('--metrics-host <host>', 'address to serve them at, without a key; 0.0.0.0 for all (default: 127.0.0.1)')
    .addHelpText(
      'after',
      '\nStops on Ctrl-C or SIGTERM once its running turns are done. Exit status: 0 stopped, 1 failed, 2 wrong configuration.',
    )
    .action(async ({ metricsHost, metricsPort }: WorkerFlags) => {
      const settings = read();
      prepareLedgerDirectory(settings);
      requireProviderKey(settings);
      await run(settings, { host: metricsHost ?? settings.metrics.host, port: metricsPort ?? settings.metrics.port });
    });
}

function read(): Settings {
  const loaded = loadSettings();
  return { ...loaded, temporal: withKnownAddress(loaded.temporal, loaded.dataDirectory) };
}

/** Whatever has changed, as the process would start with it. */
function readAgain(): Settings {
  const settings = read();
  requireProviderKey(settings);
  return settings;
}

async function run(settings: Settings, { host, port }: MetricsSettings): Promise<void> {
  const { installLogging } = await import('../services/logging');
  const { startWorker } = await import('../services/worker');
  // Temporal's SDK wants a port of its own; what it serves there is served at ours, too.
  const temporalMetrics = port === undefined ? undefined : `${loopback}:${await findFreePort(loopback)}`;
  const logger = installLogging(settings.logLevel, { temporalMetricsAddress: temporalMetrics });
  const served = temporalMetrics && port !== undefined ? await serve({ host, port }, temporalMetrics) : undefined;
  if (served) logger.info({ url: served.url }, 'metrics for Prometheus');
  const { LiveConfiguration } = await import('../services/live-configuration');
  const configuration = new LiveConfiguration({
    settings,
    load: readAgain,
    fingerprint: configurationFingerprint,
    logger,
  });
  served?.metrics.watchConfiguration(configuration);
  try {
    const worker = await startWorker({
      settings,
      configuration,
      metrics: served?.metrics,
      onError: (err) => logger.error({ err }, 'background work failed'),
    });
    const { address, namespace, taskQueue } = settings.temporal;
    const { maxCachedWorkflows } = worker;
    const { version } = configuration;
    logger.info({ address, namespace, taskQueue, maxCachedWorkflows, configuration: version }, 'worker started');
    configuration.start();
    const signal = await Promise.race([untilStopped(), worker.finished]);
    if (signal) logger.info({ signal }, 'worker stopping: finishing its running turns first');
    await worker.stop();
  } finally {
    configuration.stop();
    await served?.close();
  }
  logger.info('worker stopped');
}

async function serve(place: MetricsPlace, temporalMetrics: string) {
  const { readTemporalMetrics } = await import('../services/logging');
  const { ServiceMetrics } = await import('../services/metrics');
  const { serveMetrics } = await import('../services/metrics-server');
  const metrics = new ServiceMetrics(() => readTemporalMetrics(temporalMetrics));
  return { metrics, ...(await serveMetrics(place, () => metrics.text())) };
}
