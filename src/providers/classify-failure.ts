/** Decides, once and at the edge, what a failed model call was, whether it may be repeated and whether it may cost. */
import type { CallFailure, ChargeCertainty, FailureKind } from '../contract/failures';
import type { BrokenExchange, ResponseHead } from './exchange';
import { type Confidential, redact } from './redact';
import { errorBodySchema, type ProviderError, statedErrorSchema, withheldSchema } from './response-schemas';
import { firstValue, readRetryAfterMs } from './retry-after';

export interface CallContext {
  readonly provider: string;
  readonly nowMs: number;
  readonly confidential: Confidential;
}

/** A response whose status is not 2xx. */
export function classifyErrorResponse(head: ResponseHead, body: unknown, context: CallContext): CallFailure {
  const error = errorBodySchema.safeParse(body).data ?? null;
  const kind = kindOfStatus(head.status, error);
  return {
    ...describedError(head, kind, error, context),
    charge: chargeOfStatus(head.status),
  };
}

/** A 2xx that is not what was asked for: the provider worked, and nobody knows what it counts. */
export function classifyUnusableResponse(head: ResponseHead, body: unknown, context: CallContext): CallFailure {
  // An error that came too late for a status: in a stream, or through a gateway that had answered 200 already.
  const error = statedErrorSchema.safeParse(body).data;
  if (error !== undefined) {
    return { ...describedError(head, kindOfLateError(error), error, context), charge: 'unknown' };
  }
  const kind = withheldSchema.safeParse(body).success ? 'content-filter' : 'malformed-response';
  const message = `${context.provider} answered ${head.status}: ${meanings[kind]}`;
  return { kind, message, retryable: false, charge: 'unknown', httpStatus: head.status, retryAfterMs: null };
}

/** A call without a complete response. */
export function classifyBrokenExchange(broken: BrokenExchange, context: CallContext): CallFailure {
  const { head, cause } = broken;
  // The status of an error has said it all, even when its body never ended.
  if (head !== null && head.status >= 300 && cause.kind !== 'cancelled')
    return classifyErrorResponse(head, undefined, context);

  const { kind, retryable, words } = describeBreak(broken, context.confidential);
  return {
    kind,
    message: `${context.provider}: ${words}`,
    retryable,
    charge: broken.sent ? 'unknown' : 'not-charged',
    httpStatus: broken.head?.status ?? null,
    retryAfterMs: null,
  };
}

function describedError(
  head: ResponseHead,
  kind: FailureKind,
  error: ProviderError | null,
  { provider, confidential, nowMs }: CallContext,
): Omit<CallFailure, 'charge'> {
  const code = redact(codeOf(error), confidential, maxReasonCharacters);
  const reason =
    kind === 'context-length' || kind === 'content-filter'
      ? redact(error?.message ?? '', confidential, maxReasonCharacters)
      : '';
  const answered = head.status < 300 ? `${head.status} and then an error` : String(head.status);
  return {
    kind,
    message: `${provider} answered ${answered}${code && ` (${code})`}: ${reason || meanings[kind]}`,
    retryable: isRetryableStatus(head, kind, error),
    httpStatus: head.status,
    retryAfterMs: readRetryAfterMs(head.headers, nowMs),
  };
}

/** By its code, which often is a status, else by its words; what says nothing is a failure of the server. */
function kindOfLateError(error: ProviderError): FailureKind {
  const status = Number(error.code);
  if (Number.isInteger(status) && status >= 400 && status < 600) return kindOfStatus(status, error);
  const words = `${error.code ?? ''} ${error.type ?? ''}`;
  if (/rate_?limit|too_many_requests|insufficient_quota/i.test(words)) return 'rate-limited';
  if (/auth|permission|invalid_api_key/i.test(words)) return 'unauthorized';
  const kind = kindOfStatus(400, error);
  if (kind !== 'bad-request') return kind;
  return /invalid_request|not_found/i.test(words) ? 'bad-request' : 'server-error';
}

function kindOfStatus(status: number, error: ProviderError | null): FailureKind {
  if (status === 429) return 'rate-limited';
  // A gateway in front of the model says 408 when the model was too slow.
  if (status === 408) return 'timeout';
  if (status >= 500) return 'server-error';
  if (status < 400) return 'malformed-response';
  if (status === 401) return 'unauthorized';
  const words = `${error?.code ?? ''} ${error?.type ?? ''} ${error?.message ?? ''}`;
  if (contentFilterPattern.test(words)) return 'content-filter';
  if (contextLengthPattern.test(words)) return 'context-length';
  return status === 403 ? 'unauthorized' : 'bad-request';
}

/** As OpenAI, Azure, DeepSeek ("Content Exists Risk") and Qwen ("data_inspection_failed") say it. */
const contentFilterPattern =
  /content[_ -](filter|policy|management|exists risk)|moderation|data_inspection_failed|responsible_?ai_?policy/i;
/** As OpenAI, DeepSeek, Gemini ("input token count … exceeds") and vLLM say it. */
const contextLengthPattern =
  /context_length_exceeded|(maximum|max) (context|model) length|context (length|window)|token count .*exceeds|too many tokens|prompt is too long/i;

function isRetryableStatus(head: ResponseHead, kind: FailureKind, error: ProviderError | null): boolean {
  if (firstValue(head.headers['x-should-retry']) === 'false') return false;
  // A used-up quota is a 429 too, and no wait of seconds brings it back.
  if (kind === 'rate-limited') return error?.code !== 'insufficient_quota' && error?.type !== 'insufficient_quota';
  return kind === 'server-error' || kind === 'timeout';
}

/** 500, 501, 503 and 529 (overloaded) are the provider's own refusals; other 5xx come from a gateway behind which the model may have worked. */
function chargeOfStatus(status: number): ChargeCertainty {
  if (status === 408) return 'unknown';
  if (status < 500) return 'not-charged';
  return [500, 501, 503, 529].includes(status) ? 'not-charged' : 'unknown';
}

/** The error's code or type, when it looks like one and not like a sentence. */
function codeOf(error: ProviderError | null): string {
  const names = [error?.code, error?.type].map((name) => String(name ?? ''));
  return names.find((name) => /^[\w.:/-]{1,60}$/.test(name)) ?? '';
}

interface Break {
  readonly kind: FailureKind;
  readonly retryable: boolean;
  readonly words: string;
}

/** What a call without a complete response was, and in words. */
function describeBreak({ cause, sent, head }: BrokenExchange, confidential: Confidential): Break {
  switch (cause.kind) {
    case 'network':
      return describeNetworkError(cause.error, sent, head !== null);
    case 'too-large':
      return { kind: 'response-too-large', retryable: false, words: meanings['response-too-large'] };
    case 'malformed-chunk': {
      const words = 'the stream holds an event that cannot be read; text may be missing, so the answer is not used';
      return { kind: 'malformed-response', retryable: false, words };
    }
    case 'cut':
      return { kind: 'connection', retryable: true, words: 'the stream ended without a finish reason: it was cut' };
    case 'cancelled': {
      const reason = redact(wordsOf(cause.reason), confidential, maxReasonCharacters);
      return { kind: 'cancelled', retryable: false, words: `the call was stopped: ${reason}` };
    }
    case 'stalled':
      // What was silent for so long will mostly be silent again, and the turn has better uses for its time.
      return { kind: 'timeout', retryable: false, words: stallWords[cause.limit](cause.limitMs) };
    case 'timeout':
      break;
  }
  const words = sent ? meanings.timeout : 'no connection was free or made within the limit of the attempt';
  return { kind: 'timeout', retryable: true, words };
}

const stallWords = {
  firstByteMs: (limitMs: number) =>
    `no response began within the first-byte limit of ${limitMs} ms; a silent target is not asked again`,
  firstTokenMs: (limitMs: number) =>
    `no token came within the first-token limit of ${limitMs} ms; a silent target is not asked again`,
  idleMs: (limitMs: number) =>
    `nothing came after a token for the idle limit of ${limitMs} ms; a target that stands still is not asked again`,
} as const;

function describeNetworkError(error: Error, sent: boolean, hasHead: boolean): Break {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') {
    return { kind: 'cancelled', retryable: false, words: 'the call was stopped: the provider was closed' };
  }
  // After the headers, a parser error is a body that was cut.
  if (code === 'UND_ERR_HEADERS_OVERFLOW' || (error.name === 'HTTPParserError' && !hasHead)) {
    return { kind: 'malformed-response', retryable: false, words: `the answer is not HTTP (${code})` };
  }
  if (code === 'UND_ERR_INVALID_ARG') {
    const words = 'the request cannot be sent as it is; look for line breaks in the API key and for an invalid URL';
    return { kind: 'bad-request', retryable: false, words };
  }
  if (certificatePattern.test(code)) {
    const words = `the certificate was not accepted (${code}); check the base URL and the certificate authorities`;
    return { kind: 'connection', retryable: false, words };
  }
  const words = sent ? `the connection was lost during the call (${code})` : `no connection could be made (${code})`;
  return { kind: 'connection', retryable: true, words };
}

/** OpenSSL's verification results, as Node names them. */
const certificatePattern = /CERT|UNABLE_TO_|SELF_SIGNED|ERR_TLS_|ERR_SSL_|HOSTNAME_MISMATCH/;

function wordsOf(reason: unknown): string {
  if (reason instanceof Error) return reason.message;
  return typeof reason === 'string' ? reason : 'no reason was given';
}

/** Long enough for a provider's reason, short enough for a history. */
const maxReasonCharacters = 300;

/** What each kind means, and where there is something to do about it, what. */
const meanings: Readonly<Record<FailureKind, string>> = {
  timeout: 'no complete answer within the limit of the attempt',
  connection: 'the connection failed',
  'rate-limited': 'too many requests, or a used-up quota',
  'server-error': 'the provider failed',
  unauthorized: 'the API key was refused; check the key and the permissions of this provider',
  'context-length': 'the messages do not fit the model',
  'content-filter': 'the provider withheld the answer because of its content rules',
  'bad-request': 'the provider does not accept this request; check the model and the base URL',
  'malformed-response': 'the answer is not what an OpenAI-compatible provider sends; check the base URL',
  'response-too-large': 'the answer passed the limit of its size and was broken off',
  cancelled: 'the call was stopped',
  budget: 'no budget is left',
  'circuit-open': 'it failed so often of late that it was not asked',
};
