/** What finish reasons mean. An unknown one has no special meaning. */

/**
 * The provider broke the answer off: DeepSeek (`insufficient_system_resource`), GLM (`network_error`), vLLM and SGLang (`abort`),
 * OpenRouter (`error`).
 */
const brokenOff: ReadonlySet<string> = new Set([
  'insufficient_system_resource',
  'network_error',
  'abort',
  'aborted',
  'cancelled',
  'canceled',
  'error',
  'server_error',
  'internal_error',
  'system_error',
  'engine_error',
  'engine_overloaded',
  'overloaded',
  'timeout',
  'interrupted',
  'malformed_response',
]);

/** The provider could not read the model's tool calls. The tools that a caller offers can make any model do this. */
const unreadableCalls: ReadonlySet<string> = new Set([
  'malformed_function_call',
  'malformed_tool_call',
  'unexpected_tool_call',
  'too_many_tool_calls',
]);

/** The limit on the answer's length was reached: OpenAI, Gemini and Anthropic, Mistral, GLM. */
const cutByLength: ReadonlySet<string> = new Set([
  'length',
  'max_tokens',
  'max_output_tokens',
  'model_length',
  'model_context_window_exceeded',
]);

/** The answer was withheld because of its content: OpenAI, GLM, Gemini. */
const withheld: ReadonlySet<string> = new Set([
  'content_filter',
  'sensitive',
  'safety',
  'recitation',
  'prohibited_content',
  'blocklist',
  'spii',
]);

export function isBrokenOff(reason: string | null): boolean {
  return has(brokenOff, reason) || hasUnreadableCalls(reason);
}

export function hasUnreadableCalls(reason: string | null): boolean {
  return has(unreadableCalls, reason);
}

export function isCutByLength(reason: string | null): boolean {
  return has(cutByLength, reason);
}

export function isWithheld(reason: string | null): boolean {
  return has(withheld, reason);
}

/**
 * The finish reason that clients get: with tool calls it is `tool_calls`, although many providers say `stop`; without
 * them it never is. Reasons that mean an incomplete answer stay, because the calls may be incomplete, too.
 */
export function reasonToTell(reason: string | null, hasCalls: boolean): string | null {
  if (hasCalls) return isCutByLength(reason) || isWithheld(reason) ? reason : 'tool_calls';
  return reason === 'tool_calls' || reason === 'function_call' ? 'stop' : reason;
}

/** Gemini sends its reasons in capitals. */
function has(reasons: ReadonlySet<string>, reason: string | null): boolean {
  return reason !== null && reasons.has(reason.toLowerCase());
}
