/** Classifies failed model calls, once and at the edge: the kind of failure, whether to retry, and whether it may be charged. */
import type { CallFailure, ChargeCertainty, FailureKind } from '../contract/failures';
import type { CompletionRequest } from '../contract/provider';
import { type ErrorMeaning, meaningOf, meaningOfLateError } from './error-meaning';
import type { FailedExchange, FailureCause, ResponseHead } from './exchange';
import { hasUnreadableCalls } from '../domain/turn/finish-reasons';
import { type ProviderError, readError, readStatedError } from './read-error';
import { type Confidential, redact } from './redact';
import { withheldSchema } from './response-schemas';
import { firstValue, readRetryAfterMs } from './retry-after';

export interface CallContext {
  readonly provider: string;
  readonly nowMs: number;
  readonly confidential: Confidential;
  /** The names of the tools that the request offers. In an error they say nothing about what happened. */
  readonly toolNames?: readonly string[];
}

export function toolNamesOf(options: CompletionRequest['options']): readonly string[] {
  const tools = options?.['tools'];
  const names = Array.isArray(tools)
    ? tools.map((tool: { readonly function?: { readonly name?: unknown } } | null) => tool?.function?.name)
    : [];
  return names.filter((name) => typeof name === 'string');
}

/** A response whose status is not 2xx. */
export function classifyErrorResponse(head: ResponseHead, body: unknown, context: CallContext): CallFailure {
  const error = readError(body);
  const meaning = meaningOf(head.status, error, context.toolNames ?? []);
  return {
    ...describedError(head, meaning, error, context),
    charge: chargeOfStatus(head.status),
  };
}

/** A 2xx without a usable answer. The provider did some work, and whether it charges for that is unknown. */
export function classifyUnusableResponse(head: ResponseHead, body: unknown, context: CallContext): CallFailure {
  // An error that occurred after the status had been sent: in a stream, or behind a proxy that had already sent 200.
  const error = readStatedError(body);
  if (error !== null) {
    const meaning = meaningOfLateError(error, context.toolNames ?? []);
    return { ...describedError(head, meaning, error, context), charge: 'unknown' };
  }
  const kind = withheldSchema.safeParse(body).success ? 'content-filter' : 'malformed-response';
  const message = `${context.provider} answered ${head.status}: ${explanations[kind]}`;
  return { kind, message, retryable: false, charge: 'unknown', httpStatus: head.status, retryAfterMs: null };
}

/** An exchange without a complete response. */
export function classifyFailedExchange(failed: FailedExchange, context: CallContext): CallFailure {
  const { head, cause } = failed;
  // The status of an error response is enough, even if its body is incomplete.
  if (head !== null && head.status >= 300 && cause.kind !== 'cancelled')
    return classifyErrorResponse(head, undefined, context);

  const { kind, retryable, words } = describeFailure(failed, context.confidential);
  return {
    kind,
    message: `${context.provider}: ${words}`,
    retryable,
    charge: failed.sent ? 'unknown' : 'not-charged',
    httpStatus: failed.head?.status ?? null,
    retryAfterMs: null,
    ...(cause.kind === 'empty' && { isEmptyAnswer: true }),
    ...(mayBeAskedFor(cause) && { mayBeAskedFor: true }),
  };
}

function mayBeAskedFor(cause: FailureCause): boolean {
  return cause.kind === 'empty' ? cause.hasReason : cause.kind === 'broken-off' && hasUnreadableCalls(cause.reason);
}

/** Failures that the caller can do something about are reported in the provider's own words. */
const toldInItsWords: ReadonlySet<FailureKind> = new Set(['context-length', 'content-filter', 'bad-request']);

function describedError(
  head: ResponseHead,
  meaning: ErrorMeaning,
  error: ProviderError | null,
  { provider, confidential, nowMs }: CallContext,
): Omit<CallFailure, 'charge'> {
  const { kind, isQuota } = meaning;
  const code = redact(error?.code ?? '', confidential, maxReasonCharacters);
  const reason = toldInItsWords.has(kind) ? redact(error?.words ?? '', confidential, maxReasonCharacters) : '';
  const answered = head.status < 300 ? `${head.status} and then an error` : String(head.status);
  const explanation = isQuota ? quotaExplanation : explanations[kind];
  return {
    kind,
    message: `${provider} answered ${answered}${code && ` (${code})`}: ${reason || explanation}`,
    retryable: isRetryable(head, meaning),
    httpStatus: head.status,
    retryAfterMs: readRetryAfterMs(head.headers, nowMs),
  };
}

function isRetryable(head: ResponseHead, { kind, isQuota }: ErrorMeaning): boolean {
  if (firstValue(head.headers['x-should-retry']) === 'false' || isQuota) return false;
  return kind === 'rate-limited' || kind === 'server-error' || kind === 'timeout';
}

/** With 500, 501, 503 and 529 (overloaded) the provider itself refused; other 5xx come from a proxy, and the model behind it may have run. */
function chargeOfStatus(status: number): ChargeCertainty {
  if (status === 408) return 'unknown';
  if (status < 500) return 'not-charged';
  return [500, 501, 503, 529].includes(status) ? 'not-charged' : 'unknown';
}

interface FailureDescription {
  readonly kind: FailureKind;
  readonly retryable: boolean;
  readonly words: string;
}

/** The failure kind of an incomplete exchange, and its description. */
function describeFailure({ cause, sent, head }: FailedExchange, confidential: Confidential): FailureDescription {
  switch (cause.kind) {
    case 'network':
      return describeNetworkError(cause.error, sent, head !== null);
    case 'too-large':
      return { kind: 'response-too-large', retryable: false, words: explanations['response-too-large'] };
    case 'malformed-chunk': {
      const words = 'the stream contains an unreadable event; text may be missing, so the answer was discarded';
      return { kind: 'malformed-response', retryable: false, words };
    }
    case 'malformed-body':
      return { kind: 'malformed-response', retryable: false, words: 'the response is compressed and cannot be read' };
    case 'truncated':
      return { kind: 'connection', retryable: true, words: 'the stream ended early, without a finish reason' };
    case 'broken-off': {
      // The same tools would make the same model fail again.
      const retryable = !hasUnreadableCalls(cause.reason);
      return { kind: 'connection', retryable, words: `the provider broke the answer off (${cause.reason})` };
    }
    case 'nameless-call':
      return { kind: 'malformed-response', retryable: false, words: 'a tool call in the answer has no name' };
    case 'empty':
      return { kind: 'malformed-response', retryable: false, words: 'the answer has neither text nor a tool call' };
    case 'cancelled': {
      const reason = redact(reasonText(cause.reason), confidential, maxReasonCharacters);
      return { kind: 'cancelled', retryable: false, words: `the call was cancelled: ${reason}` };
    }
    case 'stalled':
      // A target that was silent this long will probably be silent again; the turn's time is better spent on the next one.
      return { kind: 'timeout', retryable: false, words: stallExplanations[cause.limit](cause.limitMs) };
    case 'timeout':
      break;
  }
  const words = sent ? explanations.timeout : "no connection became available within the attempt's timeout";
  return { kind: 'timeout', retryable: true, words };
}

const stallExplanations = {
  firstByteMs: (limitMs: number) =>
    `no response headers within the first-byte limit of ${limitMs} ms; a silent target is not retried`,
  firstTokenMs: (limitMs: number) =>
    `no token within the first-token limit of ${limitMs} ms; a silent target is not retried`,
  idleMs: (limitMs: number) =>
    `the stream stalled for the idle limit of ${limitMs} ms; a stalled target is not retried`,
} as const;

function describeNetworkError(error: Error, sent: boolean, hasHead: boolean): FailureDescription {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') {
    return {
      kind: 'cancelled',
      retryable: false,
      words: 'the call was cancelled: the worker is closing its connections',
    };
  }
  // A parser error after the headers means a truncated body.
  if (code === 'UND_ERR_HEADERS_OVERFLOW' || (error.name === 'HTTPParserError' && !hasHead)) {
    return {
      kind: 'malformed-response',
      retryable: false,
      words: `the response is not valid HTTP (${code}); check the base URL`,
    };
  }
  if (code === 'UND_ERR_INVALID_ARG') {
    const words =
      'the request is invalid and cannot be sent; check for line breaks in the API key and for an invalid base URL';
    return { kind: 'bad-request', retryable: false, words };
  }
  if (certificatePattern.test(code)) {
    const words = `the TLS certificate was rejected (${code}); check the base URL and the certificate authorities`;
    return { kind: 'connection', retryable: false, words };
  }
  const words = sent ? `the connection was lost during the call (${code})` : `no connection could be made (${code})`;
  return { kind: 'connection', retryable: true, words };
}

/** OpenSSL's verification results, as Node names them. */
const certificatePattern = /CERT|UNABLE_TO_|SELF_SIGNED|ERR_TLS_|ERR_SSL_|HOSTNAME_MISMATCH/;

function reasonText(reason: unknown): string {
  if (reason instanceof Error) return reason.message;
  return typeof reason === 'string' ? reason : 'no reason was given';
}

/** Long enough for a provider's reason, short enough for a history. */
const maxReasonCharacters = 300;

/** Some providers send a 429 for this, too, but waiting a few seconds does not help. */
const quotaExplanation = "the account's balance or quota at this provider is used up; top it up";

/** What each kind means and, where possible, what to do about it. */
const explanations: Readonly<Record<FailureKind, string>> = {
  timeout: "no complete response within the attempt's timeout",
  connection: 'the connection failed',
  'rate-limited': 'too many requests, or an exhausted quota',
  'server-error': 'the provider failed',
  unauthorized: 'the API key was rejected; check the key and its permissions at this provider',
  'context-length': "the messages exceed the model's context length",
  'content-filter': 'the provider withheld the answer because of its content rules',
  'bad-request': 'the provider rejected the request; check the model and the base URL',
  'malformed-response': "the response is not in the format of the provider's kind; check the base URL and the kind",
  'response-too-large': 'the response exceeded the size limit and was aborted',
  cancelled: 'the call was cancelled',
  budget: 'no budget is left',
  'image-not-kept': 'an image in the request is no longer stored',
  'circuit-open': 'it was not called: its circuit breaker is open after repeated failures',
};
