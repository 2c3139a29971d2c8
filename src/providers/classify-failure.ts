/** Decides, once and at the edge, what a failed model call was, whether it may be repeated and whether it may cost. */
import type { CallFailure, ChargeCertainty, FailureKind } from '../contract/failures';
import type { BrokenExchange, ResponseHead } from './exchange';
import { describeBreak } from './describe-break';
import { meanings, maxReasonCharacters } from './failure-words';
import { redact, type Confidential } from './redact';
import { errorBodySchema, parseJson, withheldSchema, type ProviderError } from './response-schemas';
import { firstValue, readRetryAfterMs } from './retry-after';

export interface CallContext {
  readonly provider: string;
  readonly nowMs: number;
  readonly confidential: Confidential;
}

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
  const { head, cause } = broken;
  // The status of an error has said it all, even when its body never ended.
  if (head !== null && head.status >= 300 && cause.kind !== 'cancelled')
    return classifyErrorResponse(head, '', context);

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

function readProviderError(body: string): ProviderError | null {
  return errorBodySchema.safeParse(parseJson(body)).data ?? null;
}
