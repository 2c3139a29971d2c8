import { Command } from 'commander';
import pc from 'picocolors';
import { prepareDataDirectory, prepareLedgerDirectory } from '../config/data-directory';
import { loadSettings } from '../config/load-settings';
import { dataDirectoryPrefix } from '../config/environment';
import type { Embedded } from '../local/embedded';
import { createReporter } from '../terminal/reporter';
import { parsePort } from './options';
import { untilStopped } from './stop-signals';

interface UpFlags {
  readonly port: number;
  readonly uiPort: number;
  readonly gatewayPort: number;
}

export function upCommand(): Command {
  return new Command('up')
    .description(
      'run everything on this machine: Temporal with its UI, a worker, the gateway, the ledger, and simulated providers if no key is set',
    )
    .option('--port <port>', 'port of the Temporal server, 0 for any free one', parsePort, 7233)
    .option('--ui-port <port>', 'port of the Temporal UI, 0 for any free one', parsePort, 8233)
    .option('--gateway-port <port>', 'port of the gateway for OpenAI clients, 0 for any free one', parsePort, 8080)
    .addHelpText(
      'after',
      '\nCtrl-C stops everything; the next start continues where it stopped. Exit status: 0 stopped, 1 failed, 2 wrong configuration.',
    )
    .action(async ({ port, uiPort, gatewayPort }: UpFlags) => {
      const settings = loadSettings();
      if (settings.temporal.address === undefined) prepareDataDirectory(settings.dataDirectory);
      else prepareLedgerDirectory(settings);
      const stopped = untilStopped();
      const { installLogging } = await import('../services/logging');
      const { startEmbedded } = await import('../local/embedded');
      const logger = installLogging(settings.logLevel === 'info' ? 'warn' : settings.logLevel);
      const report = createReporter(process.stderr);

      const embedded = await startEmbedded({
        settings,
        load: () => loadSettings(),
        report,
        port,
        uiPort,
        gatewayPort,
        logger,
        onError: (err) => logger.error({ err }, 'background work failed'),
      });
      process.stdout.write(`${describe(embedded)}\n`);

      const serverEnded = embedded.server?.exited.then(() => 'server-ended' as const);
      try {
        const reason = await Promise.race([stopped, embedded.worker.finished, ...(serverEnded ? [serverEnded] : [])]);
        if (reason === 'server-ended')
          process.stderr.write('The Temporal server ended; its log is in the data directory.\n');
        else process.stderr.write('Stopping: finishing running turns first. Press Ctrl-C again to stop at once.\n');
        process.exitCode = reason === 'SIGINT' || reason === 'SIGTERM' ? 0 : 1;
      } finally {
        // Report why it ended, not an error while it stops.
        await embedded.stop().catch((err: unknown) => {
          logger.error({ err }, 'a part did not stop cleanly');
          process.exitCode = 1;
        });
      }
      process.stderr.write('Stopped. The next start continues where this one stopped.\n');
    });
}

const noUi = 'off: on this system any web page could reach it; docs/temporal.md says why and what to do';

function describe({ settings, server, uiLink, gateway }: Embedded): string {
  const { temporal, simulated, databaseUrl, dataDirectory, providers } = settings;
  const rows = [
    ['Temporal', `${temporal.address}, namespace ${temporal.namespace}${server ? ' (embedded)' : ''}`],
    ...(server ? [['Temporal UI', uiLink ?? noUi]] : []),
    ['worker', `task queue ${temporal.taskQueue}, in this process`],
    ['gateway', `${gateway.url}/v1, for any OpenAI client`],
    ['page', gateway.pageLink ?? `${gateway.url}/page, for a key of the role operator or viewer`],
    ['API key', gateway.localKey ?? 'make one: npx bellwether keys create --name local'],
    ['ledger', databaseUrl ? 'PostgreSQL (DATABASE_URL)' : `SQLite in ${dataDirectory}`],
    ['providers', simulated ? 'SIMULATED' : providers.map(({ name, baseUrl }) => `${name} at ${baseUrl}`).join(', ')],
  ];
  const bellwether = `${dataDirectoryPrefix(dataDirectory)}npx bellwether`;
  const width = Math.max(...rows.map(([name = '']) => name.length));
  return [
    pc.bold('Bellwether is up.'),
    ...rows.map(([name = '', value]) => `  ${name.padEnd(width)}  ${value}`),
    '',
    ...(simulated
      ? [
          pc.yellow('No API key is set, so models are simulated: answers are canned, costs are not real money.'),
          'For real models, set HOLYSHEEP_API_KEY in the environment or in .env.',
          '',
        ]
      : []),
    'Try this in another terminal here:',
    `  ${bellwether} chat "Where is my order?"`,
    `  ${bellwether} chat "我的订单在哪里？" --session s-1`,
    `  ${bellwether} costs`,
    `  ${bellwether} doctor`,
    ...curl(gateway),
    '',
    'Ctrl-C stops everything.',
  ].join('\n');
}

/** For a shell that continues lines with a backslash. */
function curl({ url, localKey }: Embedded['gateway']): readonly string[] {
  const body = { model: 'bellwether', messages: [{ role: 'user', content: 'Where is my order?' }] };
  return [
    `  curl ${url}/v1/chat/completions -H 'authorization: Bearer ${localKey ?? '<API key>'}' \\`,
    `    -H 'content-type: application/json' -d '${JSON.stringify(body)}'`,
  ];
}
