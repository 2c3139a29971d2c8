/** Decides, once and at the edge, what a failed model call was, whether it may be repeated and whether it may cost. */
import type { CallFailure, ChargeCertainty, FailureKind } from '../contract/failures';
import type { Exchange, ResponseHead } from './exchange';
import { redact, type Confidential } from './redact';
import { errorBodySchema, parseJson, withheldSchema, type ProviderError } from './response-schemas';
import { firstValue, readRetryAfterMs } from './retry-after';

export interface CallContext {
  readonly provider: string;
  readonly nowMs: number;
  readonly confidential: Confidential;
}

type BrokenExchange = Extract<Exchange, { kind: 'broken' }>;

/** Long enough for a provider's reason, short enough for a history. */
const maxReasonCharacters = 300;

/** A response whose status is not 2xx. */
export function classifyErrorResponse(head: ResponseHead, body: string, context: CallContext): CallFailure {
  const error = readProviderError(body);
  const kind = kindOfStatus(head.status, error);
  const code = redact(codeOf(error), context.confidential, maxReasonCharacters);
  const reason =
    kind === 'context-length' || kind === 'content-filter'
      ? redact(error?.message ?? '', context.confidential, maxReasonCharacters)
      : '';
  return {
    kind,
    message: `${context.provider} answered ${head.status}${code && ` (${code})`}: ${reason || meanings[kind]}`,
    retryable: isRetryableStatus(head, kind, error),
    charge: chargeOfStatus(head.status),
    httpStatus: head.status,
    retryAfterMs: readRetryAfterMs(head.headers, context.nowMs),
  };
}

/** A 2xx that is not what was asked for: the provider worked, and nobody knows what it counts. */
export function classifyUnusableResponse(status: number, body: string, context: CallContext): CallFailure {
  const withheld = withheldSchema.safeParse(parseJson(body)).success;
  const kind = withheld ? 'content-filter' : 'malformed-response';
  const message = `${context.provider} answered ${status}: ${meanings[kind]}`;
  return { kind, message, retryable: false, charge: 'unknown', httpStatus: status, retryAfterMs: null };
}

/** A call without a complete response. */
export function classifyBrokenExchange(broken: BrokenExchange, context: CallContext): CallFailure {
  // The status has said it all, even when the error's body never ended.
  if (broken.head !== null && broken.head.status >= 300) return classifyErrorResponse(broken.head, '', context);

  const { kind, retryable, words } = describeBreak(broken, context);
  return {
    kind,
    message: `${context.provider}: ${words}`,
    retryable,
    charge: broken.sent ? 'unknown' : 'not-charged',
    httpStatus: broken.head?.status ?? null,
    retryAfterMs: null,
  };
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

interface Break {
  readonly kind: FailureKind;
  readonly retryable: boolean;
  readonly words: string;
}

function describeBreak({ cause, sent, head }: BrokenExchange, context: CallContext): Break {
  if (cause.kind === 'network') return describeNetworkError(cause.error, sent, head !== null);
  if (cause.kind === 'too-large') {
    return { kind: 'response-too-large', retryable: false, words: meanings['response-too-large'] };
  }
  if (cause.kind === 'cancelled') {
    const reason = redact(wordsOf(cause.reason), context.confidential, maxReasonCharacters);
    return { kind: 'cancelled', retryable: false, words: `the call was stopped: ${reason}` };
  }
  const words = sent ? meanings.timeout : 'no connection was free or made within the limit of the attempt';
  return { kind: 'timeout', retryable: true, words };
}

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

/** The error's code or type, when it looks like one and not like a sentence. */
function codeOf(error: ProviderError | null): string {
  const names = [error?.code, error?.type].map((name) => String(name ?? ''));
  return names.find((name) => /^[\w.:/-]{1,60}$/.test(name)) ?? '';
}

function readProviderError(body: string): ProviderError | null {
  return errorBodySchema.safeParse(parseJson(body)).data ?? null;
}

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
};
