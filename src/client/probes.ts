import { randomUUID } from 'node:crypto';
import type { Client, ConnectionLike } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { type TemporalSettings, SettingsError } from '../config/settings';
import { isNotFound } from './errors';

/** What a process asks Temporal to find out whether turns can begin. */

type Place = Pick<TemporalSettings, 'namespace' | 'taskQueue'>;

/** An idle worker polls anew at least once a minute. */
const idlePollMs = 60_000;
/** For the way of a poll, and for what clocks of two machines differ. */
const pollSlackMs = 10_000;
/** A worker that polled longer ago is not there any more. */
export const pollIsFreshForMs = idlePollMs + pollSlackMs;

/** The connection was made a moment ago, and the answer takes milliseconds. */
const namespaceTimeoutMs = 10_000;

/** Without its namespace, a worker would wait for ever. @throws {SettingsError} there is none */
export async function requireNamespace(
  connection: ConnectionLike,
  { namespace }: Pick<TemporalSettings, 'namespace'>,
): Promise<void> {
  const ask = () => connection.workflowService.describeNamespace({ namespace });
  try {
    await connection.withDeadline(Date.now() + namespaceTimeoutMs, ask);
  } catch (error) {
    // Any other error, such as a missing right to ask, says nothing about the namespace.
    if (!isNotFound(error)) return;
    throw new SettingsError([
      `TEMPORAL_NAMESPACE: Temporal has no namespace "${namespace}". Run \`bellwether setup\`, which makes it, or name another one.`,
    ]);
  }
}

const { TASK_QUEUE_TYPE_WORKFLOW, TASK_QUEUE_TYPE_ACTIVITY } = temporal.api.enums.v1.TaskQueueType;

/**
 * When a worker last began a poll, by Temporal's clock; null if none did within the last minutes. A worker that has all the
 * turns it can hold polls for activities only, so both kinds count.
 */
export async function latestPollAtMs(
  { workflowService }: Pick<ConnectionLike, 'workflowService'>,
  { namespace, taskQueue }: Place,
  isCounted: (workerIdentity: string) => boolean = () => true,
): Promise<number | null> {
  const types = [TASK_QUEUE_TYPE_WORKFLOW, TASK_QUEUE_TYPE_ACTIVITY];
  const answers = await Promise.all(
    types.map((taskQueueType) =>
      workflowService.describeTaskQueue({ namespace, taskQueue: { name: taskQueue }, taskQueueType }),
    ),
  );
  const polls = answers
    .flatMap(({ pollers }) => pollers ?? [])
    .filter(({ identity }) => isCounted(identity ?? ''))
    .map(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1_000);
  return polls.length === 0 ? null : Math.max(...polls);
}

/**
 * Starts a workflow that no worker ever sees, and deletes it: reading, as by `describeNamespace`, works on a full disk, too.
 * If it cannot be deleted, Temporal ends it within two minutes.
 */
export async function probeStart(
  { connection, workflow }: Pick<Client, 'connection' | 'workflow'>,
  { namespace, taskQueue }: Place,
): Promise<void> {
  const workflowId = `readiness/${randomUUID()}`;
  await workflow.start('readiness', {
    workflowId,
    taskQueue: `${taskQueue}-readiness`,
    startDelay: '1 minute',
    workflowExecutionTimeout: '1 minute',
  });
  await connection.workflowService
    .deleteWorkflowExecution({ namespace, workflowExecution: { workflowId } })
    .catch(() => undefined);
}
