import { ApplicationFailure } from '@temporalio/workflow';
import { failureTypes } from '../contract/failures';
import { describeProblem, type Problem } from '../contract/problem';

/** Inputs are checked again here: anyone may start a workflow or send an update, not our client alone. */
export function refuseInvalid(problem: Problem | null): void {
  if (problem) throw ApplicationFailure.nonRetryable(describeProblem(problem), failureTypes.invalidInput, problem);
}
