import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { failureTypes } from '../../src/contract/failures';
import type { RolloutResult } from '../../src/contract/rollout';

/** The result of a rollout's workflow, which fails after a rollback. */
export async function rolloutResult(handle: Pick<WorkflowHandle, 'result'>): Promise<RolloutResult> {
  try {
    return (await handle.result()) as RolloutResult;
  } catch (error) {
    const cause = error instanceof WorkflowFailedError ? error.cause : undefined;
    if (!(cause instanceof ApplicationFailure) || cause.type !== failureTypes.rolledBack) throw error;
    return cause.details?.[0] as RolloutResult;
  }
}
