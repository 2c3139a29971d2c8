import type { Client } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import * as names from '../contract/names';
import { isNotFound } from './errors';

/**
 * A turn or conversation whose workflow task is retried again and again. A task that kills its worker returns after its
 * timeout and kills the next one, with everything else that runs there: it is ended. A task that only fails, for
 * example after a release that does not fit its history, harms nothing else and continues once the code is fixed: it is
 * left alone.
 *
 * After the first attempt Temporal shows no difference between the two: workers do not report later failures but let
 * them time out, and neither the workflow's description nor its history says who holds such an attempt or how it ended.
 * But any new event resets the attempt count, and Temporal always records how a first attempt ended: failed or timed
 * out. So a suspect workflow is sent a signal without a handler (`askAgain`), and is ended only when attempts requested
 * this way are lost as well.
 */
export interface StuckWorkflow {
  readonly workflowId: string;
  readonly runId: string;
  /** Attempt of its workflow task, from 1. Any event resets it, including `askAgain`. */
  readonly attempt: number;
  /** When the first attempt ended without success, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** How the latest recorded attempt ended: its worker did not answer in time, or reported that the task failed. */
  readonly because: 'worker-lost' | 'task-failed';
  /** How many attempts requested by `askAgain` were lost in a row. */
  readonly lostWhenAsked: number;
  /** Id of the event behind `because`. */
  readonly endEventId: string;
}

/** One or two lost attempts can be bad luck; from the third attempt on an operator should know. */
const toldFromAttempt = 3;

/**
 * By then five attempts were lost or failed. A worker that is killed, replaced, or dies of another task costs a task
 * one attempt; in a drill that killed eight workers, a turn lost five. This attempt begins about 65 s after the first.
 */
const suspectFromAttempt = 6;

/**
 * By then at least seven attempts were lost. A task that only fails is reported within milliseconds: to look hopeless,
 * it would have to lose its worker in those milliseconds, twice in a row. The caller is still waiting: this is about
 * 140 s after the first attempt.
 */
const hopelessWhenLost = 2;

const askAgainSignal = 'recordNextAttempt';

const stuckWord = 'Stuck';

/** Workflows that Temporal lists and describes at once: a fraction of a second of its time. */
const pageSize = 50;

/** Far more events than a stuck workflow has after its last success; the newest part of a longer tail suffices. */
const tailEvents = 50;

const { EventType, TimeoutType, WorkflowExecutionStatus } = temporal.api.enums.v1;

/** The reason that the waiting caller and the Temporal UI show. */
export function endedBecause({ sinceMs, because }: StuckWorkflow): string {
  const what =
    because === 'worker-lost' ? 'no worker has survived its workflow task' : 'its workflow task has kept failing';
  return `${stuckWord}: ${what} since ${new Date(sinceMs).toISOString()}.`;
}

/** Whether a termination has a reason that is given here. */
export function isEndedStuck(reason: string): boolean {
  return reason.startsWith(stuckWord);
}

/** Null when the workflow is not stuck or not running. Looks at its current run unless `runId` names another. */
export async function findStuck(client: Client, workflowId: string, runId?: string): Promise<StuckWorkflow | null> {
  const { pendingWorkflowTask, workflowExecutionInfo } = await client.workflowService.describeWorkflowExecution({
    namespace: client.options.namespace,
    execution: { workflowId, ...(runId !== undefined && { runId }) },
  });
  const attempt = pendingWorkflowTask?.attempt ?? 0;
  const foundRunId = workflowExecutionInfo?.execution?.runId;
  const isRunning = workflowExecutionInfo?.status === WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING;
  if (!isRunning || attempt < 2 || !foundRunId) return null;
  const stuck = { workflowId, runId: foundRunId, attempt, ...(await readTail(client, workflowId, foundRunId)) };
  return attempt >= toldFromAttempt || stuck.lostWhenAsked > 0 ? stuck : null;
}

/** What the history says about the attempts since the last successful task. */
async function readTail(client: Client, workflowId: string, runId: string) {
  let sinceMs = 0;
  let because: StuckWorkflow['because'] = 'task-failed';
  let lostWhenAsked = 0;
  let endEventId = '';
  let asked = false;
  const newestFirst = await readNewest(client, workflowId, runId, tailEvents);
  const success = newestFirst.findIndex((event) => event.eventType === EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED);
  const tail = newestFirst.slice(0, success === -1 ? undefined : success).toReversed();
  for (const event of tail) {
    if (event.workflowExecutionSignaledEventAttributes?.signalName === askAgainSignal) asked = true;
    const lost = event.workflowTaskTimedOutEventAttributes?.timeoutType === TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE;
    const failed = event.eventType === EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED;
    if (!lost && !failed) continue;
    sinceMs ||= Number(event.eventTime?.seconds ?? 0) * 1_000;
    because = lost ? 'worker-lost' : 'task-failed';
    if (failed) lostWhenAsked = 0;
    else if (asked) lostWhenAsked += 1;
    endEventId = event.eventId?.toString() ?? '';
    asked = false;
  }
  return { sinceMs, because, lostWhenAsked, endEventId };
}

async function readNewest(
  { workflowService, options: { namespace } }: Client,
  workflowId: string,
  runId: string,
  maximumPageSize: number,
) {
  const execution = { workflowId, runId };
  const request = { namespace, execution, maximumPageSize };
  const { history } = await workflowService.getWorkflowExecutionHistoryReverse(request);
  return history?.events ?? [];
}

/** Ends a workflow that no worker survives, and asks suspects for a recorded attempt. True when it was ended here. */
export async function endIfHopeless(client: Client, stuck: StuckWorkflow): Promise<boolean> {
  const { because, attempt, lostWhenAsked } = stuck;
  if (lostWhenAsked >= hopelessWhenLost) return endStuck(client, stuck);
  if (because === 'worker-lost' && (lostWhenAsked > 0 || attempt >= suspectFromAttempt)) await askAgain(client, stuck);
  return false;
}

/**
 * Sent only once per recorded end, however many callers ask. If a worker survives and completes a turn in this very
 * attempt, it must do so again, as Temporal refuses a completion that has not seen the signal: the price of never
 * ending a task that only fails.
 */
async function askAgain({ workflowService, options }: Client, stuck: StuckWorkflow): Promise<void> {
  const { workflowId, runId, endEventId } = stuck;
  const { namespace } = options;
  const requestId = `${askAgainSignal}/${runId}/${endEventId}`;
  const workflowExecution = { workflowId, runId };
  await workflowService
    .signalWorkflowExecution({ namespace, workflowExecution, signalName: askAgainSignal, requestId })
    .catch(ignoreGone);
}

export interface StuckList {
  readonly stuck: readonly StuckWorkflow[];
  /** How many workflows were checked. */
  readonly running: number;
  /** Page token of the rest; undefined when all were checked. */
  readonly next: Uint8Array | undefined;
}

export interface LookOptions {
  /** How many workflows to check, rounded up to whole pages. */
  readonly atMost?: number;
  /** No new page is requested after this long. The first page always is. */
  readonly forMs?: number;
  /** `next` of an earlier result. */
  readonly next?: Uint8Array | undefined;
}

/** Stuck turns and conversations among those running on a task queue, newest first. */
export async function listStuck(
  client: Client,
  taskQueue: string,
  { atMost = Infinity, forMs = Infinity, next }: LookOptions = {},
): Promise<StuckList> {
  const types = [names.chatTurnWorkflowType, names.conversationWorkflowType].map((type) => `'${type}'`).join(', ');
  const query = `ExecutionStatus = 'Running' AND WorkflowType IN (${types}) AND TaskQueue = '${taskQueue.replaceAll("'", "''")}'`;
  const untilMs = Date.now() + forMs;
  const stuck: StuckWorkflow[] = [];
  let running = 0;
  do {
    const page = await client.workflowService.listWorkflowExecutions({
      namespace: client.options.namespace,
      query,
      pageSize,
      nextPageToken: next ?? null,
    });
    const ids = (page.executions ?? []).map(({ execution }) => execution?.workflowId ?? '');
    const found = await Promise.all(ids.map((id) => findStuck(client, id).catch(ignoreGone)));
    stuck.push(...found.filter((each) => each !== null));
    running += ids.length;
    const token = page.nextPageToken;
    next = token && token.length > 0 ? token : undefined;
  } while (next !== undefined && running < atMost && Date.now() < untilMs);
  return { stuck, running, next };
}

/** Terminates this run; a newer run of the same conversation continues. False when it has already ended by itself. */
export async function endStuck(client: Client, stuck: StuckWorkflow, operatorReason?: string): Promise<boolean> {
  const { workflowId, runId } = stuck;
  const reason =
    operatorReason === undefined ? endedBecause(stuck) : `${stuckWord}, ended by an operator: ${operatorReason}`;
  try {
    await client.workflow.getHandle(workflowId, runId).terminate(reason);
    return true;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return false;
  }
}

/** The reason if a run was ended for being stuck, here or elsewhere; otherwise null. */
export async function wasEndedStuck(client: Client, workflowId: string, runId: string): Promise<string | null> {
  const [last] = await readNewest(client, workflowId, runId, 1);
  const reason = last?.workflowExecutionTerminatedEventAttributes?.reason;
  return typeof reason === 'string' && isEndedStuck(reason) ? reason : null;
}

function ignoreGone(error: unknown): null {
  if (isNotFound(error)) return null;
  throw error;
}
