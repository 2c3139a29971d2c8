import { Command } from 'commander';
import { connect } from '../client/connect';
import { withKnownAddress } from '../config/connection-settings';
import { loadSettings } from '../config/load-settings';
import type { Settings } from '../config/settings';
import { createLogger } from '../create-logger';
import { startGateway } from '../gateway/gateway';
import { openLedger } from '../ledger/open-ledger';
import { isLoopback } from '../loopback';
import { openTurnStreams } from '../streams/open-streams';
import { writeJson, writeLines } from './output';
import { parsePort } from './port';
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
    .option('--json', 'print where it listens as JSON')
    .addHelpText(
      'after',
      '\nKeys: `bellwether keys create`. Stops on Ctrl-C or SIGTERM once running requests are answered, for up to 25 s.' +
        '\nExit status: 0 stopped, 1 failed, 2 wrong usage or configuration.',
    )
    .action(async (flags: GatewayFlags) => {
      const loaded = loadSettings();
      const settings = { ...loaded, temporal: withKnownAddress(loaded.temporal, loaded.dataDirectory) };
      const stopped = untilStopped();
      await serve(settings, flags, stopped);
    });
}

/** Everything is closed in the reverse order of its opening, also when a later part cannot be opened. */
async function serve(settings: Settings, flags: GatewayFlags, stopped: Promise<NodeJS.Signals>): Promise<void> {
  const { temporal, encryption, redisUrl } = settings;
  const logger = createLogger(settings.logLevel);
  const closings: (() => Promise<void>)[] = [];
  try {
    const client = await connect({ temporal, encryption: encryption ?? null });
    closings.push(() => client.disconnect());
    const ledger = await openLedger(settings);
    closings.push(() => ledger.close());
    const streams = openTurnStreams(redisUrl);
    closings.push(() => streams.close());
    const gateway = await startGateway({ ...flags, client, ledger, streams, settings, logger, redisUrl });
    closings.push(() => gateway.close());

    if (flags.json) writeJson({ url: gateway.url, base_url: `${gateway.url}/v1` });
    else writeLines(describe(gateway.url, flags.host, redisUrl !== undefined));
    const signal = await stopped;
    logger.info({ signal }, 'gateway stopping: it answers its running requests first');
  } finally {
    for (const close of closings.toReversed()) await close();
  }
}

function describe(url: string, host: string, hasRedis: boolean): readonly string[] {
  return [
    `Gateway for OpenAI clients: ${url}/v1 (described at ${url}/openapi.json)`,
    ...(isLoopback(host)
      ? []
      : ['Other machines can reach it: put TLS in front of it, as every request carries an API key.']),
    ...(hasRedis ? [] : ['REDIS_URL is not set: streams come whole once the turn is answered.']),
  ];
}
