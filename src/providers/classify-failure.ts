/** Decides, once and at the edge, what a failed model call was, whether it may be repeated and whether it may cost. */
import type { CallFailure, ChargeCertainty, FailureKind } from '../contract/failures';
import type { BrokenExchange, ResponseHead } from './exchange';
import { describeBreak } from './describe-break';
import { meanings, maxReasonCharacters } from './failure-words';
import { redact, type Confidential } from './redact';
import { errorBodySchema, statedErrorSchema, withheldSchema, type ProviderError } from './response-schemas';
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
