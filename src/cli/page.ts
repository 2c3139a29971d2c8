import { Command } from 'commander';
import { isLoopback } from '../access/loopback';
import { withKnownAddress } from '../config/connection-settings';
import { loadSettings } from '../config/load-settings';
import { createLogger } from '../services/create-logger';
import { writeJson, writeLines } from '../terminal/output';
import { parsePort } from './options';
import { untilStopped } from './stop-signals';

interface PageFlags {
  readonly host: string;
  readonly port: number;
  readonly json?: boolean;
}

export function pageCommand(): Command {
  return new Command('page')
    .description("serve the operator's page alone, from the ledger; a gateway serves it, too")
    .option('--host <host>', 'address to listen on; 0.0.0.0 for all', '127.0.0.1')
    .option('--port <port>', 'port to listen on, 0 for any free one', parsePort, 8081)
    .option('--json', 'print its address as JSON')
    .addHelpText(
      'after',
      '\nLogins need a key: `bellwether keys create --role operator --name <you>`, or `--role viewer` to look only. A ledger in' +
        '\nthe data directory needs none: the printed link logs in. Stops on Ctrl-C or SIGTERM. Exit status: 0 stopped, 1 failed,' +
        '\n2 wrong usage or configuration.',
    )
    .action(async ({ host, port, json }: PageFlags) => {
      const loaded = loadSettings({ callsProviders: false });
      const settings = { ...loaded, temporal: withKnownAddress(loaded.temporal, loaded.dataDirectory) };
      const stopped = untilStopped();
      const logger = createLogger(settings.logLevel === 'info' ? 'warn' : settings.logLevel);
      const { servePage } = await import('../services/page');
      const page = await servePage({ settings, host, port, logger });
      const link = page.loginLink ?? `${page.url}/page`;
      if (json) writeJson({ url: `${page.url}/page`, login_link: page.loginLink });
      else writeLines(describe(link, page.loginLink !== null, host));
      await stopped;
      await page.close();
    });
}

function describe(link: string, logsIn: boolean, host: string): readonly string[] {
  return [
    `Operator's page: ${link}`,
    logsIn
      ? 'The link logs in once, within 10 minutes.'
      : 'Log in with a key of the role operator or viewer: bellwether keys create --role operator --name <you>',
    ...(isLoopback(host) ? [] : ['Other machines can reach it: put TLS in front of it, or nobody can log in.']),
  ];
}
