import { ApplicationFailure } from '@temporalio/workflow';
import { failureTypes } from '../contract/failures';

/** Inputs are checked again here: anyone may start a workflow or send an update, not our client alone. */
export function refuseInvalid(problem: string | null): void {
  if (problem) throw ApplicationFailure.nonRetryable(problem, failureTypes.invalidInput);
}
