import { status as grpcStatus } from '@grpc/grpc-js';
import {
  isGrpcServiceError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { ChatReply } from '../contract/chat';
import { errorMessage, failureTypes } from '../contract/failures';
import { describeProblem, type Problem, problemIn, type ProblemPath } from '../contract/problem';

/** Base class of every error that this client throws deliberately. `code` is stable; messages are for people. */
export abstract class BellwetherError extends Error {
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A budget refused the turn before any model was called; `reply` holds what to show the user. */
export class BudgetRefusedError extends BellwetherError {
  readonly code = 'budget-refused';

  constructor(readonly reply: ChatReply) {
    super(`${reply.error}: turn ${reply.turn_id} was not sent to any model.`);
  }
}

/** The session has reached its limit of unfinished turns. Wait for an answer, then send again. */
export class QueueFullError extends BellwetherError {
  readonly code = 'queue-full';
}

/** The session has a turn that has not ended, and the message was sent with `whileBusy: 'reject'`. It was not begun. */
export class SessionBusyError extends BellwetherError {
  readonly code = 'session-busy';
}

/** The turn was stopped before it was sent: no model was called and nothing was charged. */
export class TurnStoppedError extends BellwetherError {
  readonly code = 'turn-stopped';
}

/** The session was closed and takes no more messages. Start a new session. */
export class ConversationClosedError extends BellwetherError {
  readonly code = 'conversation-closed';
}

/** The session is not handed over to a person: the model answers in it. Hand it over first. */
export class NotHandedOverError extends BellwetherError {
  readonly code = 'not-handed-over';
}

/** No message was ever sent to this session, or Temporal no longer keeps it. */
export class ConversationNotFoundError extends BellwetherError {
  readonly code = 'conversation-not-found';
}

/** There is no such turn, or Temporal no longer keeps it. A turn that started a moment ago may not be visible yet. */
export class TurnNotFoundError extends BellwetherError {
  readonly code = 'turn-not-found';
}

/**
 * The turn was answered before, but Temporal no longer has the answer: its data was lost, or the session has ended since.
 * It was not bought again. Use another turn id to ask again.
 */
export class TurnNotKeptError extends BellwetherError {
  readonly code = 'turn-not-kept';
}

/**
 * The input is invalid, and nothing was started. `message` names the field and its limit; `problems` holds the same for
 * programs.
 */
export class InvalidInputError extends BellwetherError {
  readonly code = 'invalid-input';

  /** @param problems at least one */
  constructor(
    readonly problems: readonly Problem[],
    options?: ErrorOptions,
  ) {
    super(problems.map((problem) => describeProblem(problem)).join('; '), options);
  }

  /** Where the first problem is: `['messages', 3, 'content']`. Empty when a worker is too old to say. */
  get path(): ProblemPath {
    return this.problems[0]?.path ?? [];
  }
}

/** Temporal cannot be reached. The same call with the same turn id is safe. */
export class TemporalUnreachableError extends BellwetherError {
  readonly code = 'temporal-unreachable';
}

/**
 * No answer within the deadline. A turn that has begun goes on, and the same call with the same turn id joins it. A turn
 * that has not begun never will, and the same call sends it again.
 */
export class DeadlineExceededError extends BellwetherError {
  readonly code = 'deadline-exceeded';
}

/**
 * The turn waited for earlier turns of its session and was never sent: nothing was started or charged. Send it again.
 */
export class TurnNotSentError extends BellwetherError {
  readonly code = 'turn-not-sent';
}

/**
 * No worker took the turn before its caller stopped waiting, so it was never begun: no model was called and nothing was
 * charged. Send it again; the same turn id may be used.
 */
export class TurnTooLateError extends BellwetherError {
  readonly code = 'turn-too-late';
}

/** The turn is older than 7 days and takes no more feedback. */
export class FeedbackTooLateError extends BellwetherError {
  readonly code = 'feedback-too-late';
}

/** The turn ended without an answer: it was cancelled, or its workflow was terminated. */
export class TurnFailedError extends BellwetherError {
  readonly code: string = 'turn-failed';
}

/** No worker survived the turn, so it was ended. Sending the same message again would take down more workers. */
export class TurnHopelessError extends TurnFailedError {
  override readonly code = 'turn-hopeless';
}

/**
 * The rollout was not started, or can no longer decide anything. The message names the field of the spec and what to
 * do.
 */
export class RolloutRefusedError extends BellwetherError {
  readonly code = 'rollout-refused';
  /** What is wrong with the spec; null when the spec is not the cause, or the worker is too old to say. */
  readonly problem: Problem | null;

  constructor(
    message: string,
    { problem = null, ...options }: ErrorOptions & { readonly problem?: Problem | null } = {},
  ) {
    super(message, options);
    this.problem = problem;
  }
}

/** There is no such rollout, or Temporal no longer keeps it. */
export class RolloutNotFoundError extends BellwetherError {
  readonly code = 'rollout-not-found';
}

/** The rollout has ended and takes no more commands. */
export class RolloutEndedError extends BellwetherError {
  readonly code = 'rollout-ended';
}

/** Statuses after which a call may be repeated: the server is unavailable, restarting, or lost requests in flight. */
const passingStatuses: ReadonlySet<grpcStatus> = new Set([
  grpcStatus.UNAVAILABLE,
  grpcStatus.ABORTED,
  grpcStatus.CANCELLED,
  grpcStatus.DEADLINE_EXCEEDED,
  grpcStatus.RESOURCE_EXHAUSTED,
  grpcStatus.INTERNAL,
  grpcStatus.UNKNOWN,
  // The workflow task failed or timed out several times, for example because workers died. The next success ends this.
  grpcStatus.FAILED_PRECONDITION,
]);

/** Whether repeating the same call, with the same turn id, may succeed. */
export function isPassing(error: unknown): boolean {
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || isUnprocessedUpdate(error)) return true;
  const cause = grpcCauseOf(error);
  return cause !== undefined && passingStatuses.has(cause.code);
}

/**
 * The worker ended its task without answering the update, for example because the server took the task away. The update
 * was not accepted.
 */
export function isUnprocessedUpdate(error: unknown): boolean {
  if (!(error instanceof WorkflowUpdateFailedError)) return false;
  return error.cause instanceof ApplicationFailure && error.cause.type === 'UnprocessedUpdate';
}

/** Whether no worker answered the update in time, as opposed to a server that was not reached. */
export function isUnanswered(error: unknown): boolean {
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || isUnprocessedUpdate(error)) return true;
  return grpcCauseOf(error)?.code === grpcStatus.DEADLINE_EXCEEDED;
}

/** Whether the turn was ended because no worker took it in time. */
export function isTooLate(error: unknown): boolean {
  if (!(error instanceof WorkflowUpdateFailedError || error instanceof WorkflowFailedError)) return false;
  return error.cause instanceof ApplicationFailure && error.cause.type === failureTypes.turnTooLate;
}

/**
 * The same for update-with-start. An update is durable only once accepted: if a restarting server forgot it, or its
 * workflow closed first, it is not found and must be sent again.
 */
export function isPassingForUpdateWithStart(error: unknown): boolean {
  return isPassing(error) || isNotFound(error);
}

/** Whether Temporal is unreachable, as opposed to slow. */
export function isUnreachable(error: unknown): boolean {
  return grpcCauseOf(error)?.code === grpcStatus.UNAVAILABLE;
}

/** Translates an error of Temporal's client into one for the caller. */
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
    `The call to Temporal for ${subject} failed: ${cause?.details || errorMessage(error)}. Is Temporal running? Are the address and namespace right?`,
    { cause: error },
  );
}

/** Temporal's client wraps some of these in its own error class and passes others on unchanged. */
export function isNotFound(error: unknown): boolean {
  return error instanceof WorkflowNotFoundError || grpcCauseOf(error)?.code === grpcStatus.NOT_FOUND;
}

/** Whether the error is the server's, or the server was not reached; false for errors of the client's own code. */
export function isGrpcError(error: unknown): boolean {
  return grpcCauseOf(error) !== undefined;
}

/** Temporal Cloud's answer to calls that it allows only in its own web UI. */
export function isNotAllowed(error: unknown): boolean {
  const code = grpcCauseOf(error)?.code;
  return code === grpcStatus.PERMISSION_DENIED || code === grpcStatus.UNIMPLEMENTED;
}

function fromFailure(failure: unknown, subject: string): BellwetherError {
  const message = errorMessage(failure);
  const type = failure instanceof ApplicationFailure ? failure.type : undefined;
  switch (type ?? '') {
    case failureTypes.queueFull:
      return new QueueFullError(message, { cause: failure });
    case failureTypes.sessionBusy:
      return new SessionBusyError(message, { cause: failure });
    case failureTypes.conversationClosed:
      return new ConversationClosedError(message, { cause: failure });
    case failureTypes.notHandedOver:
      return new NotHandedOverError(message, { cause: failure });
    case failureTypes.turnTooLate:
      return new TurnTooLateError(message, { cause: failure });
    case failureTypes.turnNotKept:
      return new TurnNotKeptError(message, { cause: failure });
    case failureTypes.invalidInput:
      return new InvalidInputError([problemOf(failure)], { cause: failure });
    default:
      return new TurnFailedError(`${subject} failed: ${message}`, { cause: failure });
  }
}

/** Older workers send only a sentence. */
function problemOf(failure: unknown): Problem {
  const details = failure instanceof ApplicationFailure ? failure.details : null;
  return problemIn(details) ?? { path: [], code: 'unspecified', message: errorMessage(failure) };
}

function grpcCauseOf(error: unknown): { code: grpcStatus; details: string } | undefined {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (isGrpcServiceError(current)) return current;
  }
  return undefined;
}
