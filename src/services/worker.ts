import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { NativeConnectionOptions, WorkerOptions as TemporalWorkerOptions } from '@temporalio/worker';
import { createActivities } from '../activities/create-activities';
import { type BreakerState, TargetMemory } from '../activities/target-health';
import { closeAll, closeAllAndThrow, type Closing } from '../platform/close-all';
import type { Settings } from '../config/settings';
import type { TurnStreams } from '../contract/stream';
import { createDataConverter } from '../encryption/data-converter';
import { openLedger } from '../ledger/open-ledger';
import { createProvider } from '../providers/openai-compatible';
import type { Provider } from '../contract/provider';
import { openTurnStreams } from '../streams/open-streams';
import { StuckSweep } from './stuck-sweep';

/** The bundle that `npm run build` makes, beside the compiled worker. */
const builtWorkflowBundle = join(__dirname, '../workflow-bundle.js');

/** How a worker of this service is set up, whatever it runs; the benchmark gives it to the workers it compares with. */
export const workerTuning = {
  // A workflow task holds its slot while its local model call runs: the default of 40 caps a worker at 18 turns/s
  // when calls take 2 s. Slots are cheap; the calls wait on the network.
  maxConcurrentWorkflowTaskExecutions: 1_000,
  maxConcurrentLocalActivityExecutions: 1_000,
  maxConcurrentActivityTaskExecutions: 1_000,
  // The longest attempt at a whole answer is 41 s: with this, a stopping worker finishes what it bought. An answer that
  // streams for longer is broken off, and another worker goes on from what was shown of it.
  shutdownGraceTime: '60 seconds',
} as const satisfies Partial<TemporalWorkerOptions>;

/** A reservation is abandoned when no turn is left that could end it: twice the longest turn, for slow clocks and queues. */
const abandonedAfterTurns = 2;
const sweepEveryMs = 60_000;

export interface WorkerOptions {
  readonly settings: Settings;
  /** A file made by `bundleWorkflowCode`. */
  readonly workflowBundle?: string;
  /** Workflows kept in memory between their tasks; default: what the SDK derives from the memory there is. */
  readonly maxCachedWorkflows?: number;
  /** Shared with a gateway in this process, and not closed with the worker. Default: its own, by the settings' Redis. */
  readonly streams?: TurnStreams;
  readonly onError?: (error: unknown) => void;
}

export interface RunningWorker {
  /** Ends when the worker has ended; rejects when it failed. */
  readonly finished: Promise<void>;
  /** Closed once it has ended. */
  readonly connection: NativeConnection;
  /** Whether its targets are asked, as it sees them. */
  targetStates(): readonly BreakerState[];
  /** Takes no new work, finishes the running calls, then closes ledger and connections. */
  stop(): Promise<void>;
}

/** The composition root: connects everything that a turn needs and starts polling. Leaves nothing open when it fails. */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const closings: Closing[] = [];
  try {
    return await startWith(options, closings);
  } catch (error) {
    return closeAllAndThrow(error, closings, options.onError);
  }
}

/** Adds how to close each part as soon as it is open. */
async function startWith(
  { settings, workflowBundle, maxCachedWorkflows, streams: givenStreams, onError }: WorkerOptions,
  closings: Closing[],
): Promise<RunningWorker> {
  const { temporal, policy } = settings;
  const ledger = await openLedger(settings);
  closings.push(() => ledger.close());
  const providers = new Map<string, Provider>();
  for (const providerSettings of settings.providers) {
    const provider = createProvider(providerSettings);
    closings.push(() => provider.close());
    providers.set(providerSettings.name, provider);
  }
  const streams = givenStreams ?? openTurnStreams(settings.redisUrl, Runtime.instance().logger);
  if (!givenStreams) closings.push(() => streams.close());
  const targets = new TargetMemory(policy.breaker);
  const owner = `${hostname()}/${process.pid}/${randomUUID()}`;
  const connection = await NativeConnection.connect(temporal.connectionOptions as NativeConnectionOptions);
  closings.push(() => connection.close());
  const worker = await Worker.create({
    ...workerTuning,
    ...(maxCachedWorkflows !== undefined && { maxCachedWorkflows }),
    connection,
    namespace: temporal.namespace,
    taskQueue: temporal.taskQueue,
    workflowBundle: { codePath: workflowBundle ?? builtWorkflowBundle },
    activities: createActivities({ ledger, providers, policy, streams, targets, owner }),
    dataConverter: createDataConverter(settings.encryption),
  });

  const abandonedAfterMs = policy.retry.turnDeadlineMs * abandonedAfterTurns;
  const { namespace, taskQueue } = temporal;
  const stuckSweep = new StuckSweep({ connection, namespace, taskQueue, onError: (error) => onError?.(error) });
  closings.push(() => stuckSweep.stop());
  await stuckSweep.sweep();

  const sweep = setInterval(() => {
    void stuckSweep.sweep();
    ledger.postAbandonedReservations(Date.now() - abandonedAfterMs).catch((error: unknown) => onError?.(error));
  }, sweepEveryMs);

  const finished = runToTheEnd();
  return {
    finished,
    connection,
    targetStates: () => targets.breakers.states(),
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
      await closeAll(closings);
    }
  }
}
