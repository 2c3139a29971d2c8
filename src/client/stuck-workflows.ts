import type { Client } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import * as names from '../contract/names';
import { isNotFound } from './errors';

/**
 * A turn or a conversation whose workflow task is tried again and again. A task that workers do not survive comes back when
 * it has timed out and takes down the next one, and everything else that runs there: it is ended. A task that only fails, as
 * after a release that does not fit its history, harms nobody else and goes on once the code is put right: it is left alone.
 *
 * Temporal shows no difference between the two after a first attempt: workers do not report later failures but let them
 * time out, and neither Temporal's description of a workflow nor its history says who holds such an attempt or how it ended.
 * Any new event makes Temporal begin to count anew, and a first attempt's end is always recorded, either as failed or as timed
 * out. So a workflow under suspicion is sent a signal that nobody handles (`askAgain`), and is ended only when attempts that
 * were asked for in this way were lost, too.
 */
export interface StuckWorkflow {
  readonly workflowId: string;
  readonly runId: string;
  /** Of its workflow task, from 1; begins anew with each event, as with `askAgain`. */
  readonly attempt: number;
  /** When the first attempt ended without success, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** How the latest attempt of which Temporal tells ended: its worker did not answer in time, or said that the task failed. */
  readonly because: 'worker-lost' | 'task-failed';
  /** How many attempts in a row were lost that `askAgain` had recorded. */
  readonly lostWhenAsked: number;
  /** Of the event that says `because`. */
  readonly endEventId: string;
}

/** One is an accident, two are a bad day: from the third attempt on an operator should know of it. */
const toldFromAttempt = 3;

/**
 * Then five attempts were lost or failed. A worker that is killed or replaced, or dies of another task, costs a task one
 * attempt; a turn was seen to lose five in a drill that killed eight. This one begins some 65 s after the first.
 */
const suspectFromAttempt = 6;

/**
 * By then a task was lost in seven attempts or more. A task that only fails is reported within milliseconds: to look like this
 * it must lose its worker in just those, twice in a row. A caller still waits: this is some 140 s after the first attempt.
 */
const hopelessWhenLost = 2;

const askAgainSignal = 'recordNextAttempt';

const stuckWord = 'Stuck';

/** What Temporal lists and describes at once: a fraction of a second of its time. */
const pageSize = 50;

/** Far more than a stuck workflow has after its last success; of a longer tail the newest part is enough. */
const tailEvents = 50;

const { EventType, TimeoutType, WorkflowExecutionStatus } = temporal.api.enums.v1;

/** What whoever waits is told, and the Temporal UI. */
export function endedBecause({ sinceMs, because }: StuckWorkflow): string {
  const what = because === 'worker-lost' ? 'no worker survived its workflow task' : 'its workflow task failed';
  return `${stuckWord}: ${what}, again and again since ${new Date(sinceMs).toISOString()}.`;
}

/** Whether the reason of a termination is one of those given here. */
export function isEndedStuck(reason: string): boolean {
  return reason.startsWith(stuckWord);
}

/** What is known of one workflow: null when it is not stuck, or not running. Of its current run unless `runId` names one. */
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

/** What history tells of the attempts since the last task that succeeded. */
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

/** Ends what no worker survives, and has Temporal record the next attempt of what may be such. True when it was ended here. */
export async function endIfHopeless(client: Client, stuck: StuckWorkflow): Promise<boolean> {
  const { because, attempt, lostWhenAsked } = stuck;
  if (lostWhenAsked >= hopelessWhenLost) return endStuck(client, stuck);
  if (because === 'worker-lost' && (lostWhenAsked > 0 || attempt >= suspectFromAttempt)) await askAgain(client, stuck);
  return false;
}

/**
 * Only once for each recorded end, however many ask. A worker that does survive and completes a turn in just this attempt has
 * to do so once more, as Temporal refuses an end that has not seen the signal: the price of never ending what only fails.
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
  /** Workflows that were looked at. */
  readonly running: number;
  /** Where the rest begins; undefined when all were looked at. */
  readonly next: Uint8Array | undefined;
}

export interface LookOptions {
  /** How many workflows to look at, rounded up to whole pages. */
  readonly atMost?: number;
  /** After so long no further page is begun. The first one always is. */
  readonly forMs?: number;
  /** What an earlier look returned. */
  readonly next?: Uint8Array | undefined;
}

/** Those among the turns and conversations that run on a task queue, the youngest first. */
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

/** Ends this very run; a newer one of the same conversation goes on. False when it has ended by itself meanwhile. */
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

/** Whether a run was ended for being stuck, here or elsewhere. */
export async function wasEndedStuck(client: Client, workflowId: string, runId: string): Promise<string | null> {
  const [last] = await readNewest(client, workflowId, runId, 1);
  const reason = last?.workflowExecutionTerminatedEventAttributes?.reason;
  return typeof reason === 'string' && isEndedStuck(reason) ? reason : null;
}

function ignoreGone(error: unknown): null {
  if (isNotFound(error)) return null;
  throw error;
}
