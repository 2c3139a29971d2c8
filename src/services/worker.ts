import { Client } from '@temporalio/client';
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { NativeConnectionOptions, WorkerOptions as TemporalWorkerOptions } from '@temporalio/worker';
import { createActivities } from '../activities/create-activities';
import { type BreakerState, TargetHealth } from '../activities/target-health';
import { closeAll, closeAllAndThrow, type Closing } from '../platform/close-all';
import { requireNamespace } from '../client/probes';
import type { Settings } from '../config/settings';
import type { TurnStreams } from '../contract/stream';
import { createDataConverter } from '../encryption/data-converter';
import { openLedger } from '../ledger/open-ledger';
import { openTurnStreams } from '../streams/open-streams';
import { startTracing } from '../tracing/start-tracing';
import { HourlyVerification } from './hourly-verification';
import { openImageStore } from './image-store';
import type { LiveConfiguration } from './live-configuration';
import { PolicyVersions } from './policy-versions';
import { PageNotes } from './page-notes';
import type { ServiceMetrics } from './metrics';
import { requireAddresses, startNotifying } from './notifying';
import { SessionErasure } from './session-erasure';
import { StuckSweep } from './stuck-sweep';
import { WorkflowSlots } from './workflow-slots';

/** The bundle that `npm run build` creates next to the compiled worker. */
const builtWorkflowBundle = join(__dirname, '../workflow-bundle.js');

/** The tuning of a worker of this service; the benchmark uses it for the workers that it compares with. */
export function workerTuning() {
  return {
    tuner: {
      // A workflow task occupies its slot while its local model call is running: the default of 40 slots limits a worker to
      // 18 turns/s when calls take 2 s. Slots are cheap; the calls just wait for the network. The cache limits them further.
      workflowTaskSlotSupplier: new WorkflowSlots({ maxSlots: 1_000 }),
      localActivityTaskSlotSupplier: { type: 'fixed-size', numSlots: 1_000 },
      activityTaskSlotSupplier: { type: 'fixed-size', numSlots: 1_000 },
      nexusTaskSlotSupplier: { type: 'fixed-size', numSlots: 1 },
    },
    // The longest attempt without streaming takes 41 s, so a worker that shuts down can finish the calls it has started. A
    // stream that takes longer is aborted, and another worker continues from the text already shown.
    shutdownGraceTime: '60 seconds',
  } as const satisfies Partial<TemporalWorkerOptions>;
}

/** A reservation counts as abandoned when no turn can be left to settle it: after twice the longest turn, to allow for clock skew and queues. */
const abandonedAfterTurns = 2;
const sweepEveryMs = 60_000;
/** So that the analysis of a rollout finds some seconds of traffic to count, instead of all since the last analysis. */
const countUsersEveryMs = 5_000;

export interface WorkerOptions {
  readonly settings: Settings;
  /** Default: `settings`, as long as the worker runs. */
  readonly configuration?: LiveConfiguration | undefined;
  /** A file made by `bundleWorkflowCode`. */
  readonly workflowBundle?: string;
  /** Size of the sticky cache, in workflows. Default: derived by the SDK from the available memory. */
  readonly maxCachedWorkflows?: number;
  /** Shared with a gateway in this process, and not closed with the worker. Default: its own, using the settings' Redis. */
  readonly streams?: TurnStreams;
  /** Counts what this worker does. Default: nothing is counted. */
  readonly metrics?: ServiceMetrics | undefined;
  readonly onError?: (error: unknown) => void;
}

export interface RunningWorker {
  /** Resolves when the worker has stopped; rejects if it failed. */
  readonly finished: Promise<void>;
  /** How many turns and conversations it keeps in memory, and so runs at once. */
  readonly maxCachedWorkflows: number;
  /** Closed once the worker has stopped. */
  readonly connection: NativeConnection;
  /** The states of this worker's circuit breakers. */
  targetStates(): readonly BreakerState[];
  /** Drains the worker: accepts no new work, finishes the calls in flight, then closes ledger and connections. */
  stop(): Promise<void>;
}

/** The composition root of a worker: opens everything that turns need and starts polling. If it fails, it leaves nothing open. */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const closings: Closing[] = [];
  try {
    return await startWith(options, closings);
  } catch (error) {
    return closeAllAndThrow(error, closings, options.onError);
  }
}

/** Registers each part in `closings` as soon as it is open. */
async function startWith(
  {
    settings,
    configuration,
    workflowBundle,
    maxCachedWorkflows,
    streams: givenStreams,
    metrics,
    onError,
  }: WorkerOptions,
  closings: Closing[],
): Promise<RunningWorker> {
  const { temporal, policy } = settings;
  requireAddresses(settings);
  const tracing = await startTracing({ settings: settings.tracing, part: 'worker', log: Runtime.instance().logger });
  // First, so that it is closed last.
  closings.push(() => tracing.close());
  const ledger = await openLedger(settings, { observer: metrics?.ledger });
  closings.push(() => ledger.close());
  await ledger.check();
  const versions = new PolicyVersions(settings);
  closings.push(() => versions.close());
  const streams = givenStreams ?? openTurnStreams(settings.redisUrl, Runtime.instance().logger, metrics?.redis);
  if (!givenStreams) closings.push(() => streams.close());
  const targets = new TargetHealth(policy);
  configuration?.onChange((changed) => {
    versions.use(changed);
    targets.configure(changed.policy);
  });
  const policyNow = () => versions.current.policy;
  metrics?.watchCircuits(policyNow, () => targets.breakers.states());
  metrics?.watchMembers(policyNow, (target) => targets.rests.isResting(target));
  const images = openImageStore(ledger.images, settings);
  const owner = `${hostname()}/${process.pid}/${randomUUID()}`;
  const connection = await NativeConnection.connect(temporal.connectionOptions as NativeConnectionOptions);
  closings.push(() => connection.close());
  await requireNamespace(connection, temporal);
  const notifying = await startNotifying({
    settings,
    policyNow,
    ledger,
    connection,
    circuits: () => targets.breakers.states(),
    onError: (error) => onError?.(error),
  });
  closings.push(() => notifying.stop());
  const worker = await Worker.create({
    ...workerTuning(),
    ...(maxCachedWorkflows !== undefined && { maxCachedWorkflows }),
    connection,
    namespace: temporal.namespace,
    taskQueue: temporal.taskQueue,
    workflowBundle: { codePath: workflowBundle ?? builtWorkflowBundle },
    activities: createActivities({
      ledger,
      ...versions.current,
      versions,
      streams,
      targets,
      images,
      onDayBudgetRefused: () => notifying.dayBudgetRefused(),
      onHandOff: (event) => notifying.handOff(event),
      owner,
      spans: tracing.spans,
    }),
    dataConverter: createDataConverter(settings.encryption),
  });

  const { namespace, taskQueue } = temporal;
  const stuckSweep = new StuckSweep({ connection, namespace, taskQueue, onError: (error) => onError?.(error) });
  closings.push(() => stuckSweep.stop());
  await stuckSweep.sweep();

  const erasure = new SessionErasure({
    ledger,
    client: new Client({ connection, namespace }),
    onError: (error) => onError?.(error),
  });
  closings.push(() => erasure.stop());

  const verification = new HourlyVerification(ledger, settings.auditKeys);
  const sweep = setInterval(() => {
    void stuckSweep.sweep();
    void erasure.sweep();
    verification.verifyIfDue().catch((error: unknown) => onError?.(error));
    const abandonedAfterMs = versions.longestTurnMs * abandonedAfterTurns;
    ledger.postAbandonedReservations(abandonedAfterMs).catch((error: unknown) => onError?.(error));
    ledger.requests.prune(Date.now()).catch((error: unknown) => onError?.(error));
    ledger.stops.prune(Date.now()).catch((error: unknown) => onError?.(error));
    ledger.images.prune(Date.now()).catch((error: unknown) => onError?.(error));
  }, sweepEveryMs);
  const pageNotes = new PageNotes(ledger, owner, () => targets.breakers.seen());
  const countAndTell = async (): Promise<void> => {
    await ledger.rollouts.countUsers();
    await pageNotes.write();
  };
  let isCounting = false;
  const count = setInterval(() => {
    if (isCounting) return;
    isCounting = true;
    const counted = countAndTell().catch((error: unknown) => onError?.(error));
    void counted.then(() => (isCounting = false));
  }, countUsersEveryMs);

  const finished = runToTheEnd();
  return {
    finished,
    maxCachedWorkflows: worker.options.maxCachedWorkflows,
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
      clearInterval(count);
      await closeAll(closings);
    }
  }
}
