/**
 * The kinds of failure of one model call, classified once, in the provider adapter.
 */
export const failureKinds = [
  'timeout', // no complete answer within the attempt's limit; of a stream: no first byte, no first token, or a pause
  'connection', // refused, reset, unreachable, TLS
  'rate-limited', // 429
  'server-error', // 5xx
  'unauthorized', // 401 or 403, after the key was read again once
  'context-length', // 400, the messages do not fit the model
  'content-filter', // 400, the provider refuses the content
  'bad-request', // any other 4xx
  'malformed-response', // 2xx that is not a chat completion
  'response-too-large', // the body exceeded the limit
  'cancelled', // the turn was cancelled
  'budget', // no budget left for a further attempt
  'image-not-kept', // a picture of the request has expired
  'circuit-open', // the target failed too often recently, so it was not called
] as const;

export type FailureKind = (typeof failureKinds)[number];

/** Whether the provider may charge for a failed attempt. */
export type ChargeCertainty = 'not-charged' | 'unknown';

/** One failed attempt. `message` never holds a key or message text. */
export interface CallFailure {
  readonly kind: FailureKind;
  readonly message: string;
  /** The answer was complete but empty, which the caller may have caused, for example with `stop`. */
  readonly isEmptyAnswer?: true;
  /** What the caller asks for can make any target fail like this, so the failure says nothing about the target. */
  readonly mayBeAskedFor?: true;
  /** Somebody stopped the turn, so nothing else is tried for it. */
  readonly isStop?: true;
  /** Whether the same target may be asked again (the migration guide: 429, 5xx, timeout, reset). */
  readonly retryable: boolean;
  readonly charge: ChargeCertainty;
  readonly httpStatus: number | null;
  /** What `retry-after-ms` or `Retry-After` asked for, in milliseconds. */
  readonly retryAfterMs: number | null;
}

/** `type` of the ApplicationFailures that pass through Temporal. */
export const failureTypes = {
  modelCall: 'ModelCallFailed',
  invalidInput: 'InvalidInput',
  queueFull: 'QueueFull',
  conversationClosed: 'ConversationClosed',
  turnTooLate: 'TurnTooLate',
  turnNotKept: 'TurnNotKept',
  sessionBusy: 'SessionBusy',
  notHandedOver: 'NotHandedOver',
  rolloutRefused: 'RolloutRefused',
  /** A rollout's workflow ended with everybody on the baseline. Its first detail is the `RolloutResult`. */
  rolledBack: 'RolledBack',
  /** The ledger lacks decisions that the rollout's workflow has recorded: retried, because they may come back. */
  ledgerBehind: 'LedgerBehind',
} as const;

/**
 * An error's message; for an error that contains several (a host with two addresses that both refuse), the first one's;
 * without a message, its code.
 */
export function errorMessage(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error);
  const { message, errors, code } = error as { message?: unknown; errors?: unknown; code?: unknown };
  if (typeof message === 'string' && message !== '') return message;
  if (Array.isArray(errors) && errors.length > 0) return errorMessage(errors[0]);
  if (typeof code === 'string') return code;
  return error instanceof Error ? error.name : 'unknown error';
}
