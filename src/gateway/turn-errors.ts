/** What a turn that brought no answer is called in HTTP. */
import {
  BellwetherError,
  BudgetRefusedError,
  ConversationClosedError,
  DeadlineExceededError,
  InvalidInputError,
  QueueFullError,
  TemporalUnreachableError,
  TurnHopelessError,
  TurnNotFoundError,
  TurnNotSentError,
} from '../client/errors';
import type { ChatReply } from '../contract/chat';
import type { FailureKind } from '../contract/failures';
import { badRequest, failed, GatewayError, tooMany } from './gateway-error';
import { turnFacts } from './turn-facts';

/** An answer of a session's earlier turn takes a second or two. */
const queueRetryAfterSeconds = 2;
/** A Temporal that restarts is back within seconds; the client has waited for it before it gave up. */
const unreachableRetryAfterSeconds = '5';

/** `joins`: the request brought an Idempotency-Key, so the same request again joins the turn instead of beginning another. */
export function errorOfClient(error: unknown, joins: boolean): GatewayError | null {
  if (!(error instanceof BellwetherError)) return null;
  if (error instanceof BudgetRefusedError) return errorOfReply(error.reply);
  if (error instanceof InvalidInputError)
    return badRequest(`${error.message}.`, error.message.split(' ', 1)[0] ?? null);
  if (error instanceof QueueFullError || error instanceof TurnNotSentError) {
    return tooMany(error.message, 'session_busy', queueRetryAfterSeconds);
  }
  if (error instanceof ConversationClosedError) {
    return badRequest(`${error.message} Begin another session.`, null, 'session_closed', 409).final();
  }
  if (error instanceof TurnNotFoundError) {
    return badRequest('This turn was never begun, or is not kept any more.', null, 'turn_not_kept', 404);
  }
  // In both cases the turn may go on, so that only a request that would join it is worth repeating.
  const advice = joins
    ? 'the same request with the same Idempotency-Key joins it'
    : 'GET /v1/turns/{id} has its answer, with the id from x-bellwether-turn-id; with an Idempotency-Key the same request could join it';
  if (error instanceof TemporalUnreachableError) {
    const message = `Temporal cannot be reached, so nobody knows yet whether the turn began. If it did, ${advice}.`;
    const headers = { 'retry-after': unreachableRetryAfterSeconds };
    const unreachable = failed(503, 'temporal_unreachable', message, headers);
    return joins ? unreachable : unreachable.final();
  }
  if (error instanceof DeadlineExceededError) {
    const late = failed(504, 'deadline_exceeded', `The turn has no answer yet. It goes on, and ${advice}.`);
    return joins ? late : late.final();
  }
  if (error instanceof TurnHopelessError) {
    const message = 'This turn crashed every worker that took it, so it was ended. Do not send the same request again.';
    return failed(502, 'turn_hopeless', message).final();
  }
  return failed(502, 'turn_failed', 'The turn was stopped before it had an answer. Send the request again.').final();
}

/** A reply that is no answer: a budget refused the turn, or no model of the chain answered. */
export function errorOfReply(reply: ChatReply): GatewayError {
  const reason = reply.error ?? 'no reason is known';
  const error = reply.blocked
    ? quota(`${reason}: no model was called. ${budgetAdvice(reply)}`)
    : chainErrorOf(reply.error_kind ?? 'cancelled')(`No model answered. The last failure: ${reason}`, reason);
  // Bellwether has repeated what is worth repeating.
  return error.final().about({ degraded_reply: reply.content, bellwether: turnFacts(reply) });
}

const budgetAdvices: Readonly<Record<NonNullable<ChatReply['refused_by']>, string>> = {
  session: 'Begin another session, or have the budget of sessions raised.',
  key: "A key's daily budget begins anew at 00:00 UTC; one for all its time does not: use another key.",
  day: "The service's budget of a day begins anew at 00:00 UTC; whoever runs the service can raise it.",
};

/** A turn that began under an older worker does not say which budget it was. */
function budgetAdvice({ refused_by }: ChatReply): string {
  return refused_by === undefined ? 'Raise the budget, or wait for the next UTC day.' : budgetAdvices[refused_by];
}

/**
 * 402 and not OpenAI's 429: no client repeats a 402, while several (the AI SDK, LangChain for Python, curl) repeat every
 * 429 and do not know `x-should-retry`. The code is OpenAI's.
 */
function quota(message: string): GatewayError {
  return new GatewayError(402, { message, type: 'insufficient_quota', param: null, code: 'insufficient_quota' });
}

type ChainError = (said: string, reason: string) => GatewayError;

/** What the last failed call was decides: the calls before it were repeated or led to the next target. */
const chainErrors: Readonly<Record<FailureKind, ChainError>> = {
  'context-length': (_, reason) =>
    badRequest(`The messages do not fit any model of the chain: ${reason}`, 'messages', 'context_length_exceeded'),
  'content-filter': (_, reason) => badRequest(reason, 'messages', 'content_filter'),
  budget: (said) => quota(`${said}. What is left of the budget does not pay for another attempt.`),
  // Not 429: the caller broke no limit of ours, and slowing down its key would change nothing.
  'rate-limited': (said) => failed(503, 'provider_rate_limited', said),
  timeout: (said) => failed(504, 'provider_timeout', said),
  connection: (said) => failed(503, 'provider_unavailable', said),
  'server-error': (said) => failed(503, 'provider_unavailable', said),
  'circuit-open': (said) => failed(503, 'provider_unavailable', said),
  'malformed-response': (said) => failed(502, 'provider_bad_response', said),
  'response-too-large': (said) => failed(502, 'provider_bad_response', said),
  unauthorized: (said) => failed(502, 'provider_unauthorized', said),
  // A 4xx about the service's own set-up, or about the caller's tools or options: the provider's status does not tell.
  'bad-request': (said) => failed(502, 'provider_refused_request', said),
  cancelled: (said) => failed(502, 'turn_failed', said),
};

/** A worker that is newer than this gateway may know kinds that are not here. */
function chainErrorOf(kind: string): ChainError {
  return Object.hasOwn(chainErrors, kind)
    ? chainErrors[kind as FailureKind]
    : (said) => failed(502, 'provider_failed', said);
}
