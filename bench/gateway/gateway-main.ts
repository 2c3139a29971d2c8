/**
 * A gateway process, with or without a worker inside, as in `bellwether up`. Argument: `BenchGatewayOptions` as JSON.
 */
import { localKey } from '../../src/access/local-key';
import { installLogging } from '../../src/services/logging';
import { serveGateway } from '../../src/services/gateway';
import { openTurnStreams } from '../../src/streams/open-streams';
import { startWorker } from '../../src/services/worker';
import { liveWithParent } from '../processes';
import { benchSettings, type BenchPlace } from '../worker-process';

export interface BenchGatewayOptions extends BenchPlace {
  readonly taskQueue: string;
  /** For a worker in the same process; omitted: no worker. */
  readonly workflowBundle?: string | undefined;
}

/** The one line that it prints. */
export interface BenchGatewayReady {
  readonly baseUrl: string;
  readonly apiKey: string;
}

async function main(): Promise<void> {
  const logger = installLogging('warn');
  const options = JSON.parse(process.argv[2] ?? '{}') as BenchGatewayOptions;
  const { taskQueue, workflowBundle } = options;
  const settings = benchSettings(options, taskQueue);
  const streams = openTurnStreams(settings.redisUrl);
  const worker = workflowBundle === undefined ? undefined : await startWorker({ settings, workflowBundle, streams });
  const gateway = await serveGateway({ settings, host: '127.0.0.1', port: 0, logger, streams, worker });
  const apiKey = await localKey(gateway.ledger.keys, settings.dataDirectory, 'chat');
  const ready: BenchGatewayReady = { baseUrl: `${gateway.url}/v1`, apiKey };
  liveWithParent(ready, async () => {
    await gateway.close();
    await worker?.stop();
    await streams.close();
  });
}

main().catch((error: unknown) => {
  console.error('The gateway failed.', error);
  process.exitCode = 1;
});
