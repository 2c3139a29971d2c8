/**
 * A worker process. Argument: `BenchWorkerOptions` as JSON. Prints a line of JSON once it polls; ends with its stdin.
 */
import { installLogging } from '../src/services/logging';
import { startWorker, type RunningWorker } from '../src/services/worker';
import { startComparedWorker } from './compared-worker';
import { liveWithParent } from './processes';
import { benchSettings, type BenchWorkerOptions } from './worker-process';

async function main(): Promise<void> {
  installLogging('warn');
  const options = JSON.parse(process.argv[2] ?? '{}') as BenchWorkerOptions;
  const worker = await start(options);
  liveWithParent({ kind: options.kind }, () => worker.stop());
  await worker.finished;
}

function start(options: BenchWorkerOptions): Promise<RunningWorker> {
  const { kind, workflowBundle, maxCachedWorkflows } = options;
  const settings = benchSettings(options, kind);
  return kind === 'bellwether'
    ? startWorker({ settings, workflowBundle, maxCachedWorkflows })
    : startComparedWorker(kind, settings, workflowBundle);
}

main().catch((error: unknown) => {
  console.error('The worker failed.', error);
  process.exitCode = 1;
});
