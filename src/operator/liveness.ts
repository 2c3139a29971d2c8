import type { OperatorOptions, RolloutClient } from '../client';
import { connectPatienceMs } from './connections';

/** Whether a workflow stands behind a rollout; `unreachable` when Temporal does not answer. */
export type Liveness = Awaited<ReturnType<RolloutClient['execution']>> | 'unreachable';

/** Connects to Temporal for as long as the work takes; null when nobody answers. */
export async function withOperatorIfAny<T>(work: (client: RolloutClient | null) => Promise<T>): Promise<T> {
  const { connectOperator, TemporalUnreachableError } = await import('../client');
  const connectTimeoutMs = await connectPatienceMs();
  const client = await connectOperator({ connectTimeoutMs }).catch((error: unknown) => {
    if (error instanceof TemporalUnreachableError) return null;
    throw error;
  });
  try {
    return await work(client);
  } finally {
    await client?.disconnect();
  }
}

/** Connects to Temporal for as long as the work takes. @throws {TemporalUnreachableError} */
export async function withOperator<T>(
  work: (client: RolloutClient) => Promise<T>,
  options: OperatorOptions = {},
): Promise<T> {
  const { connectOperator } = await import('../client');
  const connectTimeoutMs = options.connectTimeoutMs ?? (await connectPatienceMs());
  const client = await connectOperator({ ...options, connectTimeoutMs });
  try {
    return await work(client);
  } finally {
    await client.disconnect();
  }
}

export async function livenessOf(client: RolloutClient | null, rollout: string): Promise<Liveness> {
  if (client === null) return 'unreachable';
  const { TemporalUnreachableError } = await import('../client');
  return client.execution(rollout).catch((error: unknown) => {
    if (error instanceof TemporalUnreachableError) return 'unreachable';
    throw error;
  });
}

/** What a person has to know of the workflow, or null when all is as it should be. */
export function workflowProblem(workflow: Liveness, rollout: string, hasEnded: boolean): string | null {
  if (hasEnded || workflow === 'running') return null;
  if (workflow === 'unreachable') {
    return 'Temporal does not answer, so nobody knows whether the workflow runs. What follows is from the ledger.';
  }
  const how = { completed: 'has ended', failed: 'was terminated or has failed', unknown: 'is not known to Temporal' };
  return `No workflow stands behind it: rollout/${rollout} ${how[workflow]}. Nothing will advance or roll back by itself; \`bellwether rollout rollback ${rollout}\` still works.`;
}
