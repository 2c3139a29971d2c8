/**
 * What a provider's error means: by its codes if they are known, by its status, and by its wording only as a last resort.
 */
import type { FailureKind } from '../contract/failures';
import type { ProviderError } from './read-error';

export interface ErrorMeaning {
  readonly kind: FailureKind;
  /** The account at the provider is empty: waiting a few seconds does not help. */
  readonly isQuota?: true;
}

const quota: ErrorMeaning = { kind: 'rate-limited', isQuota: true };

const codesByMeaning: readonly (readonly [ErrorMeaning, string])[] = [
  [
    { kind: 'context-length' },
    // Used by OpenAI, GLM (1261), llama.cpp and Anthropic (413), among others.
    `context_length_exceeded context_window_exceeded model_context_window_exceeded context_limit_exceeded
    context_too_large exceed_context_size_error request_too_large payload_too_large string_above_max_length
    prompt_too_long input_too_long token_limit_exceeded tokens_limit_exceeded max_input_tokens_exceeded
    input_length_exceeded 1261`,
  ],
  [
    { kind: 'content-filter' },
    // OpenAI, Azure, Qwen, GLM (1301), Doubao, one-api, Google.
    `content_filter content_policy_violation content_filtered responsibleaipolicyviolation data_inspection_failed
    datainspectionfailed moderation_blocked invalid_prompt sensitive_words_detected sensitivecontentdetected
    inputtextsensitivecontentdetected outputtextsensitivecontentdetected prohibited_content image_content_policy_violation
    1301`,
  ],
  [
    quota,
    // OpenAI, one-api, Kimi, GLM (1113), Qwen, Doubao, Anthropic.
    `insufficient_quota insufficient_user_quota insufficient_balance insufficient_credits insufficient_funds
    billing_hard_limit_reached billing_not_active billing_error exceeded_current_quota_error credit_balance_too_low
    payment_required arrearage accountoverdueerror 1113`,
  ],
  [
    { kind: 'rate-limited' },
    `rate_limit_exceeded rate_limit_error rate_limited rate_limit_reached ratelimitreached too_many_requests
    resource_exhausted throttling throttlingexception throttling.ratequota throttling.allocationquota
    limit_requests limit_burst_rate 1302 1303 1305`,
  ],
  [
    { kind: 'unauthorized' },
    `invalid_api_key incorrect_api_key authentication_error invalid_authentication_error unauthenticated unauthorized
    permission_error permission_denied access_denied accessdeniedexception invalidapikey`,
  ],
  [
    { kind: 'server-error' },
    `overloaded_error overloaded server_error internal_error internal_server_error internalservererror
    service_unavailable unavailable engine_overloaded_error api_error`,
  ],
  [
    { kind: 'bad-request' },
    `unsupported_parameter unsupported_value invalid_value invalid_type unknown_parameter missing_required_parameter
    invalid_function_parameters invalid_json_schema integer_above_max_value integer_below_min_value
    decimal_above_max_value decimal_below_min_value array_above_max_length model_not_found model_not_exist
    modelnotfound deploymentnotfound not_found_error`,
  ],
];

const meaningByCode: ReadonlyMap<string, ErrorMeaning> = new Map(
  codesByMeaning.flatMap(([meaning, codes]) => codes.split(/\s+/).map((code) => [code, meaning] as const)),
);

/**
 * Sentences about the length, from OpenAI, DeepSeek, vLLM, Anthropic, Bedrock, Gemini, llama.cpp, LM Studio, xAI,
 * Mistral, Kimi, Qwen, GLM, Groq and TGI. Every pattern takes linear time, because its repetitions are bounded.
 */
const contextLengthPatterns: readonly RegExp[] = [
  /\b(maximum|max|available|model) (context|model|prompt|input)[ _](length|size|window|tokens?)\b/,
  /\bcontext[ _-](length|window|size|limit)\b/,
  // Not about images, tools or files, and not about a number of anything but tokens.
  /\b(prompt|inputs?|request|messages?|conversation|history)( (?!image|tool|file|picture)\w{1,20}){0,3} too (long|large)\b/,
  /\b(prompt|inputs?|request|messages?|conversation)( (?!image|tool|file|picture)\w{1,20}){0,3} exceed(s|ed)?( [\w,()'’]{1,20}){0,5} (tokens?|context|length|window)\b/,
  /\btokens?( \w{1,20}){0,2}( \(\d{1,12}\))? exceed(s|ed)?\b/,
  /\bexceed(s|ed|ing)?( \w{1,20}){0,3} (token limit|context|(max|maximum) (input |prompt )?length)\b/,
  /\btoo many (input |prompt )?tokens\b/,
  /\brange of input length\b/,
  /\b(longer|greater|more) than( \S{1,20}){0,4} (context|model|input) (length|window)\b/,
  /\breduce (the length of )?(your |the )?(messages?|prompt|inputs?)\b/,
  /\btokens \+ \S{0,20} ?must be <=/,
  /prompt ?超长|(输入|提示|消息)\S{0,8}(过长|超长|超过|超出)|上下文\S{0,8}(长度|超)|超(过|出)\S{0,12}(长度|上下文|token)/,
];

/** Sentences about the content that only a model's provider writes: OpenAI, Azure, DeepSeek, OpenRouter, Qwen, GLM. */
const surelyContentFilterPatterns: readonly RegExp[] = [
  /\bcontent (management |usage )?(policy|policies|filter|filters|filtering|moderation)\b/,
  /\bcontent exists risk\b/,
  /\b(flagged|blocked|rejected|refused)( \w{1,20}){0,3} moderation\b/,
  /\bflagged( \w{1,20}){0,3} (safety|inappropriate|unsafe|harmful)\b/,
  /\binappropriate content\b/,
  /不安全|敏感内容|敏感词|违规内容/,
];

/** The same, and sentences that firewalls write, too: they count only if the answer cannot be a firewall's. */
const contentFilterPatterns: readonly RegExp[] = [
  ...surelyContentFilterPatterns,
  /\b(blocked|rejected|refused)( \w{1,20}){0,3} (safety|inappropriate|unsafe|harmful)\b/,
  /\b(flagged|blocked|rejected|refused|violat(e|es|ed|ing))( [\w'’]{1,20}){0,3} (content|safety|usage|use|moderation|community) (policy|policies|guidelines|rules)\b/,
];

const quotaPatterns: readonly RegExp[] = [
  /\binsufficient( \w{1,20}){0,2} (balance|credits?|quota|funds)\b/,
  /\b(balance|credits?|quota)( \w{1,20}){0,2} (too low|insufficient|used up|exhausted|not enough)\b/,
  /\bexceeded your current quota\b/,
  /余额不足|欠费/,
];

const keyPatterns: readonly RegExp[] = [
  /\bapi[ _-]?key( \w{1,20}){0,2} (not valid|invalid|expired|incorrect)\b/,
  /\b(invalid|incorrect|expired) api[ _-]?key\b/,
];

/** The request alone exceeds the account's rate limit, so waiting does not help. */
const tooLargeForRatePatterns: readonly RegExp[] = [/\brequest too large\b/, /\btokens must be reduced\b/];

/** @param names of the tools in the request, which are not the provider's words */
export function meaningOf(status: number, error: ProviderError | null, names: readonly string[]): ErrorMeaning {
  const known = error === null ? undefined : meaningOfCodes(error);
  const isAbout = matcher(error?.words ?? '', names);
  if (status === 429) {
    if (known?.kind === 'content-filter' || known?.isQuota) return known;
    if (known?.kind === 'context-length' || isAbout(tooLargeForRatePatterns)) return { kind: 'context-length' };
    return isAbout(quotaPatterns) ? quota : { kind: 'rate-limited' };
  }
  if (status === 402) return quota;
  // A proxy in front of the model answers 408 when the model was too slow.
  if (status === 408) return { kind: 'timeout' };
  if (status === 413) return { kind: 'context-length' };
  if (status === 401) return known?.isQuota ? known : { kind: 'unauthorized' };
  if (status >= 500) {
    const isAboutRequest = known?.kind === 'context-length' || known?.kind === 'content-filter';
    return isAboutRequest ? known : { kind: 'server-error' };
  }
  if (status < 400) return { kind: 'malformed-response' };
  const otherwise: ErrorMeaning = { kind: status === 403 ? 'unauthorized' : 'bad-request' };
  // Proxies put a general code on a model's error, whose wording says more.
  if (known !== undefined && known.kind !== 'server-error') return known;
  // Firewalls and gateways answer 403 because of their own policies; then the next target is tried.
  if (isAbout(status === 403 ? surelyContentFilterPatterns : contentFilterPatterns)) return { kind: 'content-filter' };
  if (isAbout(contextLengthPatterns)) return { kind: 'context-length' };
  if (isAbout(quotaPatterns)) return quota;
  return isAbout(keyPatterns) ? { kind: 'unauthorized' } : otherwise;
}

/**
 * An error that came after a status of 200. Its code may be a status. If nothing says what was wrong, the provider
 * failed.
 */
export function meaningOfLateError(error: ProviderError, names: readonly string[]): ErrorMeaning {
  const status = error.codes.map(Number).find((code) => Number.isInteger(code) && code >= 400 && code < 600);
  if (status !== undefined) return meaningOf(status, error, names);
  const known = meaningOfCodes(error);
  if (known !== undefined) return known;
  const meaning = meaningOf(400, error, names);
  if (meaning.kind !== 'bad-request') return meaning;
  const isAboutRequest = error.codes.some((code) => /^(invalid|bad_?request|not_?found|validation)/.test(code));
  return isAboutRequest ? meaning : { kind: 'server-error' };
}

/** Undefined if none of its codes is known. */
function meaningOfCodes({ codes }: ProviderError): ErrorMeaning | undefined {
  return codes.map((code) => meaningByCode.get(code)).find((meaning) => meaning !== undefined);
}

/** Ignores the names that the request itself uses and anything quoted: they say nothing about what happened. */
function matcher(words: string, names: readonly string[]): (patterns: readonly RegExp[]) => boolean {
  let own = words;
  for (const name of names) if (name !== '') own = own.replaceAll(name, '');
  own = own.replaceAll(/(['"`“‘])[\w.:/[\]-]{1,80}(['"`”’])/g, '').toLowerCase();
  return (patterns) => patterns.some((pattern) => pattern.test(own));
}
