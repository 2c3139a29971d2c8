import type { CompletionRequest } from '../contract/provider';
import type { ExchangeRequest } from './exchange';

const protectedFields: ReadonlySet<string> = new Set([
  // Rejected by providers unless a stream is requested.
  'stream_options',
  // The newer name of `max_tokens` would override its limit.
  'max_completion_tokens',
  // Only one answer is reserved, and each additional one is charged.
  'n',
  'best_of',
  // These change the price or add a fee.
  'service_tier',
  'web_search_options',
]);

/** The request for a completion. Options cannot override the fields that cost and delivery depend on. */
export function completionCall(request: CompletionRequest, path: string): ExchangeRequest {
  const { model, messages, temperature, maxTokens, requestId, timeoutMs, signal, stream, options } = request;
  const body = {
    ...Object.fromEntries(Object.entries(options ?? {}).filter(([field]) => !protectedFields.has(field))),
    model,
    messages,
    temperature,
    max_tokens: maxTokens,
    stream: stream === undefined ? undefined : true,
    stream_options: stream === undefined ? undefined : { include_usage: true },
  };
  return {
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json', 'x-request-id': requestId },
    body: JSON.stringify(body),
    timeoutMs,
    signal,
  };
}
