import type { Client } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import * as names from '../contract/names';
import { isNotFound } from './translate-error';

/**
 * A turn or a conversation whose workflow task is tried again and again. A task that workers do not survive comes back when
 * it has timed out and takes down the next one, and everything else that runs there: so it has to end, though it is nobody's
 * answer. What only fails, as after a release that does not fit its history, harms nobody else and goes on once the code is put
 * right: that is left to an operator.
 */
export interface StuckWorkflow {
  readonly workflowId: string;
  readonly runId: string;
  /** Of its workflow task, from 1. */
  readonly attempt: number;
  /** When the first attempt ended without success, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** How that one ended: its worker did not answer in time, or said that the task failed. */
  readonly because: 'worker-lost' | 'task-failed';
}

/** One is an accident, two are a bad day: from the third attempt on an operator should know of it. */
const toldFromAttempt = 3;

/**
 * Then seven workers, one after another, did not survive this very task. A worker that is killed or replaced, or dies of
 * another task, costs it one attempt: the next worker needs seconds for a task that does no harm, and would have to be
 * killed in just those. A turn was seen to lose five workers in a drill that killed eight. Temporal waits longer after each
 * attempt, so that this one begins some 145 s after the first, while the caller still waits.
 */
const hopelessFromAttempt = 8;

const stuckWord = 'Stuck';

/** Half a second of Temporal's time for a page of conversations. */
const describedAtOnce = 10;

const { EventType, WorkflowExecutionStatus } = temporal.api.enums.v1;

/** What whoever waits is told, and the Temporal UI. */
export function endedBecause({ attempt, because }: StuckWorkflow): string {
  const what = because === 'worker-lost' ? 'no worker survived its workflow task' : 'its workflow task failed';
  return `${stuckWord}: ${what} in ${attempt - 1} attempts.`;
}

/** Whether the reason of a termination is one of those given here. */
export function isEndedStuck(reason: string): boolean {
  return reason.startsWith(stuckWord);
}

export function isHopeless({ attempt, because }: StuckWorkflow): boolean {
  return attempt >= hopelessFromAttempt && because === 'worker-lost';
}

/** What is known of one workflow: null when it is not stuck, or not running. Of its current run unless `runId` names one. */
export async function findStuck(
  { workflowService, options: { namespace } }: Client,
  workflowId: string,
  runId?: string,
): Promise<StuckWorkflow | null> {
  const execution = { workflowId, ...(runId !== undefined && { runId }) };
  const { pendingWorkflowTask, workflowExecutionInfo } = await workflowService.describeWorkflowExecution({
    namespace,
    execution,
  });
  const attempt = pendingWorkflowTask?.attempt ?? 0;
  const foundRunId = workflowExecutionInfo?.execution?.runId;
  const isRunning = workflowExecutionInfo?.status === WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING;
  if (!isRunning || attempt < toldFromAttempt || !foundRunId) return null;
  // Only the first attempt's end is an event; it is the last one until a task succeeds.
  const { history } = await workflowService.getWorkflowExecutionHistoryReverse({
    namespace,
    execution: { workflowId, runId: foundRunId },
    maximumPageSize: 1,
  });
  const [last] = history?.events ?? [];
  const because = last?.eventType === EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT ? 'worker-lost' : 'task-failed';
  return { workflowId, runId: foundRunId, attempt, sinceMs: Number(last?.eventTime?.seconds ?? 0) * 1_000, because };
}

export interface StuckPage {
  readonly stuck: readonly StuckWorkflow[];
  /** Workflows that were looked at. */
  readonly running: number;
  /** Where the next page begins; undefined after the last. */
  readonly next: Uint8Array | undefined;
}

/** Those among the turns and conversations that run on a task queue, the youngest first, a page at a time. */
export async function listStuck(
  client: Client,
  taskQueue: string,
  pageSize: number,
  next?: Uint8Array,
): Promise<StuckPage> {
  const types = [names.chatTurnWorkflowType, names.conversationWorkflowType].map((type) => `'${type}'`).join(', ');
  const page = await client.workflowService.listWorkflowExecutions({
    namespace: client.options.namespace,
    query: `ExecutionStatus = 'Running' AND WorkflowType IN (${types}) AND TaskQueue = '${taskQueue.replaceAll("'", "''")}'`,
    pageSize,
    nextPageToken: next ?? null,
  });
  const ids = (page.executions ?? []).map(({ execution }) => execution?.workflowId ?? '');
  const stuck: StuckWorkflow[] = [];
  for (let index = 0; index < ids.length; index += describedAtOnce) {
    const some = ids.slice(index, index + describedAtOnce);
    const found = await Promise.all(some.map((id) => findStuck(client, id).catch(ignoreGone)));
    stuck.push(...found.filter((each) => each !== null));
  }
  const token = page.nextPageToken;
  return { stuck, running: ids.length, next: token && token.length > 0 ? token : undefined };
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
export async function wasEndedStuck(
  { workflowService, options: { namespace } }: Client,
  workflowId: string,
  runId: string,
): Promise<string | null> {
  const { history } = await workflowService.getWorkflowExecutionHistoryReverse({
    namespace,
    execution: { workflowId, runId },
    maximumPageSize: 1,
  });
  const reason = history?.events?.[0]?.workflowExecutionTerminatedEventAttributes?.reason;
  return typeof reason === 'string' && isEndedStuck(reason) ? reason : null;
}

function ignoreGone(error: unknown): null {
  if (isNotFound(error)) return null;
  throw error;
}
