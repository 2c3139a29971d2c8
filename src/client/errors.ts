import type { ChatReply } from '../contract/chat';

/** Everything that this client throws on purpose. `code` is stable; messages are for people. */
export abstract class BellwetherError extends Error {
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A budget refused the turn before any model was called; `reply` holds what to show to the user. */
export class BudgetRefusedError extends BellwetherError {
  readonly code = 'budget-refused';

  constructor(readonly reply: ChatReply) {
    super(`${reply.error}: turn ${reply.turn_id} was not sent to any model.`);
  }
}

/** The session has as many unfinished turns as it may have. Wait for an answer, then send again. */
export class QueueFullError extends BellwetherError {
  readonly code = 'queue-full';
}

/** The session was closed and takes no more messages. Start a new session. */
export class ConversationClosedError extends BellwetherError {
  readonly code = 'conversation-closed';
}

/** Nobody has ever written in this session, or Temporal no longer keeps it. */
export class ConversationNotFoundError extends BellwetherError {
  readonly code = 'conversation-not-found';
}

/** There is no such turn, or Temporal no longer keeps it. A turn that was begun a moment ago may not be there yet. */
export class TurnNotFoundError extends BellwetherError {
  readonly code = 'turn-not-found';
}

/** The input names the field and its limit; nothing was started. */
export class InvalidInputError extends BellwetherError {
  readonly code = 'invalid-input';
}

/** Temporal cannot be reached. The same call with the same turn id is safe. */
export class TemporalUnreachableError extends BellwetherError {
  readonly code = 'temporal-unreachable';
}

/** No answer within the deadline. The turn goes on; the same call with the same turn id joins it. */
export class DeadlineExceededError extends BellwetherError {
  readonly code = 'deadline-exceeded';
}

/** The turn waited for earlier ones of its session and was never sent: nothing was begun or paid. Send it again. */
export class TurnNotSentError extends BellwetherError {
  readonly code = 'turn-not-sent';
}

/** The turn failed in a way that is not an answer: it was cancelled, or its workflow was terminated. */
export class TurnFailedError extends BellwetherError {
  readonly code: string = 'turn-failed';
}

/** No worker survived the turn, so it was ended. The same message again would take down the next ones. */
export class TurnHopelessError extends TurnFailedError {
  override readonly code = 'turn-hopeless';
}

/** The rollout was not started; the message names the field of the spec and what to do. */
export class RolloutRefusedError extends BellwetherError {
  readonly code = 'rollout-refused';
}

/** There is no such rollout, or Temporal no longer keeps it. */
export class RolloutNotFoundError extends BellwetherError {
  readonly code = 'rollout-not-found';
}

/** The rollout has ended and takes no more commands. */
export class RolloutEndedError extends BellwetherError {
  readonly code = 'rollout-ended';
}
