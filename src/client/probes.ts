import { randomUUID } from 'node:crypto';
import type { Client, ConnectionLike } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { type TemporalSettings, SettingsError } from '../config/settings';
import { isNotFound } from './errors';

type Place = Pick<TemporalSettings, 'namespace' | 'taskQueue'>;

/** An idle worker starts a new poll at least once a minute. */
const idlePollMs = 60_000;
/** For network delays, and for differences between the clocks of two machines. */
const pollSlackMs = 10_000;
/** A worker that last polled longer ago is considered gone. */
export const pollIsFreshForMs = idlePollMs + pollSlackMs;

/** The connection was made a moment ago, and the answer takes milliseconds. */
const namespaceTimeoutMs = 10_000;

/** Without its namespace, a worker would wait forever. @throws {SettingsError} the namespace does not exist */
export async function requireNamespace(
  connection: ConnectionLike,
  { namespace }: Pick<TemporalSettings, 'namespace'>,
): Promise<void> {
  const ask = () => hasNamespace(connection, namespace);
  // An error, such as a missing permission, says nothing about the namespace.
  const mayExist = await connection.withDeadline(Date.now() + namespaceTimeoutMs, ask).catch(() => true);
  if (mayExist) return;
  throw new SettingsError([
    `TEMPORAL_NAMESPACE: Temporal has no namespace "${namespace}". Run \`bellwether setup\`, which creates it, or name another one.`,
  ]);
}

export async function hasNamespace(
  { workflowService }: Pick<ConnectionLike, 'workflowService'>,
  namespace: string,
): Promise<boolean> {
  try {
    await workflowService.describeNamespace({ namespace });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

const { TASK_QUEUE_TYPE_WORKFLOW, TASK_QUEUE_TYPE_ACTIVITY } = temporal.api.enums.v1.TaskQueueType;

/**
 * When a worker last began a poll, by Temporal's clock; null if none did in the last few minutes. A worker that is full polls
 * only for activities, so both kinds of poll count.
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
 * Starts a workflow that no worker ever sees, and deletes it. A read such as `describeNamespace` would prove less, because it
 * works on a full disk, too. If the workflow cannot be deleted, Temporal ends it within two minutes.
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
