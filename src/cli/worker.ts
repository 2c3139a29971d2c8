import { Command } from 'commander';
import { withKnownAddress } from '../config/connection-settings';
import { prepareLedgerDirectory } from '../config/data-directory';
import { loadSettings } from '../config/load-settings';
import { simulatedBaseUrl } from '../config/providers';
import { type Settings, SettingsError } from '../config/settings';
import type { ProviderSettings } from '../contract/provider';
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

export function workerCommand(): Command {
  return new Command('worker')
    .description('run a worker against your own Temporal, or the one that `up` runs here')
    .addHelpText(
      'after',
      '\nStops on Ctrl-C or SIGTERM once its running turns are done. Exit status: 0 stopped, 1 failed, 2 wrong configuration.',
    )
    .action(async () => {
      const loaded = loadSettings();
      const settings = { ...loaded, temporal: withKnownAddress(loaded.temporal, loaded.dataDirectory) };
      prepareLedgerDirectory(settings);
      requireProviderKey(settings);
      const { installLogging } = await import('../services/logging');
      const { startWorker } = await import('../services/worker');
      const logger = installLogging(settings.logLevel);

      const worker = await startWorker({
        settings,
        onError: (err) => logger.error({ err }, 'background work failed'),
      });
      const { address, namespace, taskQueue } = settings.temporal;
      const { maxCachedWorkflows } = worker;
      logger.info({ address, namespace, taskQueue, maxCachedWorkflows }, 'worker started');
      const signal = await Promise.race([untilStopped(), worker.finished]);
      if (signal) logger.info({ signal }, 'worker stopping: finishing its running turns first');
      await worker.stop();
      logger.info('worker stopped');
    });
}
