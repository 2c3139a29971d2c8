import { Command } from 'commander';
import { configurationFingerprint } from '../config/configuration-version';
import { withKnownAddress } from '../config/connection-settings';
import { prepareLedgerDirectory } from '../config/data-directory';
import { loadSettings } from '../config/load-settings';
import type { Settings } from '../config/settings';
import { createLogger } from '../services/create-logger';
import { isLoopback } from '../access/loopback';
import { writeJson, writeLines } from '../terminal/output';
import { parsePort } from './options';
import { untilStopped } from './stop-signals';

interface GatewayFlags {
  readonly host: string;
  readonly port: number;
  readonly json?: boolean;
}

export function gatewayCommand(): Command {
  return new Command('gateway')
    .description('serve OpenAI clients over HTTP: chat completions as durable turns, answered by workers elsewhere')
    .option('--host <host>', 'address to listen on; 0.0.0.0 for all', '127.0.0.1')
    .option('--port <port>', 'port to listen on, 0 for any free one', parsePort, 8080)
    .option('--json', 'print its address as JSON')
    .addHelpText(
      'after',
      '\nClients need a key: `bellwether keys create`. Stops on Ctrl-C or SIGTERM once its running requests are answered,' +
        '\nor after 25 s. Exit status: 0 stopped, 1 failed, 2 wrong usage or configuration.',
    )
    .action(async ({ host, port, json }: GatewayFlags) => {
      const settings = load();
      prepareLedgerDirectory(settings);
      const stopped = untilStopped();
      const logger = createLogger(settings.logLevel);
      const { serveGateway } = await import('../services/gateway');
      const { LiveConfiguration } = await import('../services/live-configuration');
      const { ServiceMetrics } = await import('../services/metrics');
      const configuration = new LiveConfiguration({ settings, load, fingerprint: configurationFingerprint, logger });
      const metrics = new ServiceMetrics();
      metrics.watchConfiguration(configuration);
      const gateway = await serveGateway({ settings, configuration, host, port, logger, metrics });
      configuration.start();
      const { url } = gateway;
      if (json) writeJson({ url, base_url: `${url}/v1` });
      else writeLines(describe(url, host, settings.redisUrl !== undefined));
      const signal = await stopped;
      logger.info({ signal }, 'gateway stopping: answering its running requests first');
      await gateway.close();
      // Last: without its listener, a SIGHUP would end the process amid its running requests.
      configuration.stop();
      logger.info('gateway stopped');
    });
}

function load(): Settings {
  const loaded = loadSettings({ callsProviders: false });
  return { ...loaded, temporal: withKnownAddress(loaded.temporal, loaded.dataDirectory) };
}

function describe(url: string, host: string, hasRedis: boolean): readonly string[] {
  return [
    `Gateway for OpenAI clients: ${url}/v1 (described at ${url}/openapi.json)`,
    `Operator's page: ${url}/page, for keys of the role operator or viewer`,
    ...(isLoopback(host)
      ? []
      : [
          'Other machines can reach it: put TLS in front of it, because every request carries an API key, and the page takes no login without.',
        ]),
    ...(hasRedis ? [] : ['REDIS_URL is not set: a stream arrives in one piece once its turn is answered.']),
  ];
}
