/** A worker like that of `bellwether worker`, with the tests' workflow bundle. */
import type { Socket } from 'node:net';
import { loadSettings } from '../../src/config/load-settings';
import { untilStopped } from '../../src/cli/stop-signals';
import { installLogging } from '../../src/services/logging';
import { startWorker } from '../../src/services/worker';
import { testEnvironment } from './temporal';

async function main(): Promise<void> {
  const input = process.stdin.once('end', () => process.exit(1)).resume() as Socket;
  input.unref();
  const settings = loadSettings();
  const logger = installLogging(settings.logLevel);
  const stopped = untilStopped();
  const worker = await startWorker({
    settings,
    workflowBundle: process.env[testEnvironment.workflowBundle],
    maxCachedWorkflows: process.env[testEnvironment.workflowCache] === 'off' ? 0 : undefined,
    onError: (err) => logger.error({ err }, 'sweep failed'),
  });
  process.stdout.write('started\n');
  await Promise.race([stopped, worker.finished]);
  await worker.stop();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
