import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify';
import {
  BellwetherError,
  BudgetRefusedError,
  ConversationClosedError,
  DeadlineExceededError,
  InvalidInputError,
  NotHandedOverError,
  QueueFullError,
  SessionBusyError,
  TemporalUnreachableError,
  TurnHopelessError,
  TurnNotFoundError,
  TurnNotKeptError,
  TurnNotSentError,
  TurnStoppedError,
  TurnTooLateError,
} from '../client/errors';
import type { ChatReply } from '../contract/chat';
import type { FailureKind } from '../contract/failures';
import { LedgerUnavailableError } from '../contract/ledger';
import type { ProblemPath } from '../contract/problem';
import { SessionDeletedError } from '../contract/sessions';
import { turnFacts } from './completion';
import { badRequest, GatewayError, wrongField } from './gateway-error';

/** Every answer that is an error has OpenAI's shape, whoever found it. */
export function handleErrors(server: FastifyInstance): void {
  server.setErrorHandler((error, request, reply) => {
    const known = errorOfRequest(error, request);
    return reply.code(known.status).headers(known.headers).send(known.body);
  });
  server.setNotFoundHandler((request) => {
    const path = request.url.split('?', 1)[0] ?? '';
    const shown = path.length > 100 ? `${path.slice(0, 100)}…` : path;
    throw new GatewayError(
      'unknown_route',
      `There is no ${request.method} ${shown}; GET /openapi.json lists what there is.`,
    );
  });
}

/** Anything unexpected becomes a 500 without details; they are in the log, under the request's id. */
export function toGatewayError(error: unknown, log: FastifyBaseLogger): GatewayError {
  if (error instanceof GatewayError) return error;
  const known = errorOfClient(error, false);
  if (known) return known;
  if (error instanceof SessionDeletedError) {
    return new GatewayError('session_deleted', `${error.message} Begin another session.`);
  }
  if (error instanceof LedgerUnavailableError) {
    log.error({ err: error }, 'the ledger does not answer');
    const message = 'The ledger does not answer, so no turn can begin. Try again in a few seconds.';
    return new GatewayError('ledger_unavailable', message, { headers: { 'retry-after': '5' } });
  }
  log.error({ err: error }, 'unexpected error');
  return new GatewayError('internal_error', 'The gateway failed. Its log says why, under the id in x-request-id.');
}

/** Of a request that no route has answered: also what the HTTP server itself found wrong with it. */
export function errorOfRequest(error: unknown, { server, log }: Pick<FastifyRequest, 'server' | 'log'>): GatewayError {
  return errorOfFramework(error, server) ?? toGatewayError(error, log);
}

/** What the HTTP server found wrong with a request before any route saw it. */
function errorOfFramework(error: unknown, { initialConfig }: FastifyInstance): GatewayError | null {
  const { code, statusCode } = (error ?? {}) as { readonly code?: unknown; readonly statusCode?: unknown };
  switch (code) {
    case 'ECONNRESET':
      // Of the caller's connection and no other: so the framework marks what stopped it reading a body.
      return statusCode === 400
        ? new GatewayError('invalid_body', 'The connection ended before the body was whole.')
        : null;
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new GatewayError(
        'request_too_large',
        `The body is larger than the limit of ${initialConfig.bodyLimit} bytes.`,
      );
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_ROUTE_MISSING_CONTENT_TYPE':
      return new GatewayError(
        'unsupported_media_type',
        'The body must be JSON: send it with content-type: application/json.',
        { param: 'content-type' },
      );
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new GatewayError('invalid_body', 'The length of the body differs from content-length.');
    case 'FST_ERR_BAD_URL':
    case 'FST_ERR_MAX_PARAM_LENGTH':
    case 'FST_ERR_ASYNC_CONSTRAINT':
      return new GatewayError('invalid_url', 'The path is not a valid URL.');
    default:
      return null;
  }
}

/** The ledger knows that the turn has ended, but its text, which only Temporal or the session had, is gone. */
export const notKept = new GatewayError(
  'turn_not_kept',
  'This turn has ended, and its answer is no longer kept. To ask again, send the request with another Idempotency-Key.',
);

export const stoppedUnbegun = new GatewayError(
  'turn_stopped',
  'This turn was stopped before it began: no model was called and nothing was charged.',
);

/** Of another key, of no response, or of one that was not stored, was deleted or is remembered by nobody any more. */
export const previousNotFound = new GatewayError(
  'previous_response_not_found',
  'previous_response_id names no response that this API key can continue: it is unknown, was not stored, was deleted, or what was said up to it is no longer kept. Send the whole history as input, without previous_response_id.',
  { param: 'previous_response_id' },
);

/** An answer of a session's earlier turn takes a second or two. */
const queueRetryAfterSeconds = '2';
/** A Temporal that restarts is back within seconds; the client has waited for it before it gave up. */
const unreachableRetryAfterSeconds = '5';

/**
 * @param joins the request brought an Idempotency-Key, so the same request again joins the turn instead of beginning another
 * @param pathOf where in the request's body a path of its turn is
 */
export function errorOfClient(
  error: unknown,
  joins: boolean,
  pathOf: (path: ProblemPath) => ProblemPath = (path) => path,
): GatewayError | null {
  if (!(error instanceof BellwetherError)) return null;
  if (error instanceof BudgetRefusedError) return errorOfReply(error.reply);
  if (error instanceof InvalidInputError) {
    const [problem] = error.problems;
    if (problem && pathOf(problem.path).join('.') === 'branch.after') return previousNotFound;
    return problem ? wrongField({ ...problem, path: pathOf(problem.path) }) : badRequest(error.message, null);
  }
  if (error instanceof QueueFullError || error instanceof TurnNotSentError) {
    return new GatewayError('session_busy', error.message, { headers: { 'retry-after': queueRetryAfterSeconds } });
  }
  if (error instanceof SessionBusyError) return new GatewayError('session_busy_refused', error.message);
  if (error instanceof TurnStoppedError) return stoppedUnbegun;
  if (error instanceof ConversationClosedError) {
    return new GatewayError('session_closed', `${error.message} Begin another session.`);
  }
  if (error instanceof NotHandedOverError) {
    return new GatewayError('session_not_handed_over', `${error.message} Hand it over first.`);
  }
  if (error instanceof TurnNotFoundError) {
    return new GatewayError('turn_never_begun', 'This turn was never begun, or is not kept any more.');
  }
  if (error instanceof TurnTooLateError) {
    const message =
      'No worker took this turn before its caller stopped waiting, so it was not begun: no model was called and nothing was charged. Send the request again.';
    return new GatewayError('turn_too_late', message, { headers: { 'retry-after': unreachableRetryAfterSeconds } });
  }
  if (error instanceof TurnNotKeptError) return notKept;
  // In both cases the turn may go on, so that only a request that would join it is worth repeating.
  const advice = joins
    ? 'the same request with the same Idempotency-Key joins it'
    : 'GET /v1/turns/{id} has its answer, with the id from x-bellwether-turn-id; with an Idempotency-Key the same request could join it';
  if (error instanceof TemporalUnreachableError) {
    const message = `Temporal cannot be reached, so nobody knows yet whether the turn began. If it did, ${advice}.`;
    const headers = { 'retry-after': unreachableRetryAfterSeconds };
    const unreachable = new GatewayError('temporal_unreachable', message, { headers });
    return joins ? unreachable : unreachable.final();
  }
  if (error instanceof DeadlineExceededError) {
    const late = new GatewayError(
      'deadline_exceeded',
      `The turn has no answer yet. If a worker has begun it, it goes on, and ${advice}.`,
    );
    return joins ? late : late.final();
  }
  if (error instanceof TurnHopelessError) {
    const message = 'This turn crashed every worker that took it, so it was ended. Do not send the same request again.';
    return new GatewayError('turn_hopeless', message);
  }
  return new GatewayError('turn_failed', 'The turn was stopped before it had an answer. Send the request again.');
}

/** A reply that is no answer: a budget refused the turn, or no model of the chain answered. */
export function errorOfReply(reply: ChatReply): GatewayError {
  if (reply.stopped) {
    const said = 'This turn was stopped. What a stream had shown of its answer is all there is.';
    return new GatewayError('turn_stopped', said).about({ bellwether: turnFacts(reply) });
  }
  const reason = reply.error ?? 'no reason is known';
  const waitMs = reply.retry_after_ms;
  const wait = waitMs === undefined ? '' : `. A provider asks to wait ${Math.ceil(waitMs / 1000)} s`;
  const error = reply.blocked
    ? quota(`${reason}: no model was called. ${budgetAdvice(reply)}`)
    : chainErrorOf(reply.error_kind ?? 'cancelled')(`No model answered. The last failure: ${reason}${wait}`, reason);
  // Bellwether has repeated what is worth repeating.
  const told = waitMs === undefined ? error : error.retryAfter(waitMs);
  return told.final().about({ degraded_reply: reply.content, bellwether: turnFacts(reply) });
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
  return new GatewayError('insufficient_quota', message);
}

type ChainError = (said: string, reason: string) => GatewayError;

/** What the last failed call was decides: the calls before it were repeated or led to the next target. */
const chainErrors: Readonly<Record<FailureKind, ChainError>> = {
  'context-length': (_, reason) =>
    new GatewayError('context_length_exceeded', `The messages do not fit any model of the chain: ${reason}`, {
      param: 'messages',
    }),
  'content-filter': (_, reason) => new GatewayError('content_filter', reason, { param: 'messages' }),
  'image-not-kept': (_, reason) => new GatewayError('image_not_kept', reason, { param: 'messages' }),
  budget: (said) => quota(`${said}. What is left of the budget does not pay for another attempt.`),
  // Not 429: the caller broke no limit of ours, and slowing down its key would change nothing.
  'rate-limited': (said) => new GatewayError('provider_rate_limited', said),
  timeout: (said) => new GatewayError('provider_timeout', said),
  connection: (said) => new GatewayError('provider_unavailable', said),
  'server-error': (said) => new GatewayError('provider_unavailable', said),
  'circuit-open': (said) => new GatewayError('provider_unavailable', said),
  'malformed-response': (said) => new GatewayError('provider_bad_response', said),
  'response-too-large': (said) => new GatewayError('provider_bad_response', said),
  unauthorized: (said) => new GatewayError('provider_unauthorized', said),
  // A 4xx about the service's own set-up, or about the caller's tools or options: the provider's status does not tell.
  'bad-request': (said) => new GatewayError('provider_refused_request', said),
  cancelled: (said) => new GatewayError('turn_failed', said),
};

/** A worker that is newer than this gateway may know kinds that are not here. */
function chainErrorOf(kind: string): ChainError {
  return Object.hasOwn(chainErrors, kind)
    ? chainErrors[kind as FailureKind]
    : (said) => new GatewayError('provider_failed', said);
}
