import {
  isGrpcServiceError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { status as grpcStatus } from '@grpc/grpc-js';
import { failureTypes } from '../contract/failures';
import { reasonOf } from '../reason';
import {
  BellwetherError,
  ConversationClosedError,
  ConversationNotFoundError,
  InvalidInputError,
  QueueFullError,
  TemporalUnreachableError,
  TurnFailedError,
} from './errors';

/** Statuses after which the same call may be sent again: the server is away, restarting, or lost what was in flight. */
const passingStatuses: ReadonlySet<grpcStatus> = new Set([
  grpcStatus.UNAVAILABLE,
  grpcStatus.ABORTED,
  grpcStatus.CANCELLED,
  grpcStatus.DEADLINE_EXCEEDED,
  grpcStatus.RESOURCE_EXHAUSTED,
  grpcStatus.INTERNAL,
  grpcStatus.UNKNOWN,
  // The workflow's task failed or timed out several times, as when workers die; the next one that succeeds ends this.
  grpcStatus.FAILED_PRECONDITION,
]);

/** Whether the same call, with the same turn id, is worth another try. */
export function isPassing(error: unknown): boolean {
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || isUnprocessedUpdate(error)) return true;
  const cause = grpcCauseOf(error);
  return cause !== undefined && passingStatuses.has(cause.code);
}

/** A worker ended its task without a word about the update, as when the server took the task from it. Nothing was accepted. */
export function isUnprocessedUpdate(error: unknown): boolean {
  if (!(error instanceof WorkflowUpdateFailedError)) return false;
  return error.cause instanceof ApplicationFailure && error.cause.type === 'UnprocessedUpdate';
}

/**
 * The same for an update that starts what it does not find. An update is durable only once accepted: one that a
 * restarting server forgot, or whose workflow closed before it got there, is not found and has to be sent again.
 */
export function isPassingForUpdateWithStart(error: unknown): boolean {
  return isPassing(error) || isNotFound(error);
}

/** Whether Temporal itself is away, as against slow to answer. */
export function isUnreachable(error: unknown): boolean {
  return grpcCauseOf(error)?.code === grpcStatus.UNAVAILABLE;
}

/** What a caller should see for an error of the Temporal client. */
export function translateError(error: unknown, subject: string): BellwetherError {
  if (error instanceof BellwetherError) return error;
  if (error instanceof WorkflowUpdateFailedError || error instanceof WorkflowFailedError) {
    return fromFailure(error.cause, subject);
  }
  if (isNotFound(error)) {
    return new ConversationNotFoundError(`${subject} is not known to Temporal.`, { cause: error });
  }
  const cause = grpcCauseOf(error);
  return new TemporalUnreachableError(
    `Temporal did not carry out the call for ${subject}: ${cause?.details || reasonOf(error)}. Is it running, and are address and namespace right?`,
    { cause: error },
  );
}

/** The client gives some of these a class of their own, and hands on others as they came. */
export function isNotFound(error: unknown): boolean {
  return error instanceof WorkflowNotFoundError || grpcCauseOf(error)?.code === grpcStatus.NOT_FOUND;
}

function fromFailure(failure: unknown, subject: string): BellwetherError {
  const message = reasonOf(failure);
  const type = failure instanceof ApplicationFailure ? failure.type : undefined;
  switch (type ?? '') {
    case failureTypes.queueFull:
      return new QueueFullError(message, { cause: failure });
    case failureTypes.conversationClosed:
      return new ConversationClosedError(message, { cause: failure });
    case failureTypes.invalidInput:
      return new InvalidInputError(message, { cause: failure });
    default:
      return new TurnFailedError(`${subject} failed: ${message}`, { cause: failure });
  }
}

function grpcCauseOf(error: unknown): { code: grpcStatus; details: string } | undefined {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (isGrpcServiceError(current)) return current;
  }
  return undefined;
}
