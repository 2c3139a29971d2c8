import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { NativeConnectionOptions, WorkerOptions as TemporalWorkerOptions } from '@temporalio/worker';
import { createActivities } from './activities';
import type { Settings } from './config/settings';
import { createDataConverter } from './encryption/data-converter';
import type { Ledger } from './ledger/ledger';
import { openLedger } from './ledger/open-ledger';
import { createProvider } from './providers/openai-compatible';
import type { Provider } from './providers/provider';

/** The bundle that `npm run build` makes, beside the compiled worker. */
const builtWorkflowBundle = join(__dirname, 'workflow-bundle.js');

/** How a worker of this service is set up, whatever it runs; the benchmark gives it to the workers it compares with. */
export const workerTuning = {
  // A workflow task holds its slot while its local model call runs: the default of 40 caps a worker at 18 turns/s
  // when calls take 2 s. Slots are cheap; the calls wait on the network.
  maxConcurrentWorkflowTaskExecutions: 1_000,
  maxConcurrentLocalActivityExecutions: 1_000,
  maxConcurrentActivityTaskExecutions: 1_000,
  // The longest attempt is 41 s: with this, a stopping worker finishes what it bought.
  shutdownGraceTime: '60 seconds',
} as const satisfies Partial<TemporalWorkerOptions>;

/** A reservation is abandoned when no turn is left that could end it: twice the longest turn, for slow clocks and queues. */
const abandonedAfterTurns = 2;
const sweepEveryMs = 60_000;

export interface WorkerOptions {
  readonly settings: Settings;
  /** A file made by `bundleWorkflowCode`. */
  readonly workflowBundle?: string;
  readonly onError?: (error: unknown) => void;
}

export interface RunningWorker {
  /** Ends when the worker has ended; rejects when it failed. */
  readonly finished: Promise<void>;
  /** Takes no new work, finishes the running calls, then closes ledger and connections. */
  stop(): Promise<void>;
}

/** The composition root: connects everything that a turn needs and starts polling. */
export async function startWorker({ settings, workflowBundle, onError }: WorkerOptions): Promise<RunningWorker> {
  const { temporal, policy } = settings;
  const ledger = await openLedger(settings);
  const providers = new Map(settings.providers.map((provider) => [provider.name, createProvider(provider)]));
  const connection = await NativeConnection.connect(temporal.connectionOptions as NativeConnectionOptions);
  const worker = await Worker.create({
    ...workerTuning,
    connection,
    namespace: temporal.namespace,
    taskQueue: temporal.taskQueue,
    workflowBundle: { codePath: workflowBundle ?? builtWorkflowBundle },
    activities: createActivities({ ledger, providers, policy, owner: `${hostname()}/${process.pid}/${randomUUID()}` }),
    dataConverter: createDataConverter(settings.encryption),
  });

  const abandonedAfterMs = policy.retry.turnDeadlineMs * abandonedAfterTurns;
  const sweep = setInterval(() => {
    ledger.postAbandonedReservations(Date.now() - abandonedAfterMs).catch((error: unknown) => onError?.(error));
  }, sweepEveryMs);

  const finished = runToTheEnd();
  return {
    finished,
    stop: () => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      return finished;
    },
  };

  async function runToTheEnd(): Promise<void> {
    try {
      await worker.run();
    } finally {
      clearInterval(sweep);
      await closeAll(ledger, providers, connection);
    }
  }
}

async function closeAll(ledger: Ledger, providers: ReadonlyMap<string, Provider>, connection: NativeConnection) {
  await Promise.all([...providers.values()].map((provider) => provider.close()));
  await ledger.close();
  await connection.close();
}
