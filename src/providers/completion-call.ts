import type { ExchangeRequest } from './exchange';
import type { ReportedUsage, CompletionRequest, CompletionResult } from '../contract/provider';
import type { Completion } from './response-schemas';

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

export type Answer = Omit<Extract<CompletionResult, { kind: 'completed' }>, 'kind' | 'latencyMs'>;

export function readCompletion(completion: Completion, requestedModel: string): Answer {
  const choice = completion.choices[0];
  const toolCalls = choice?.message.tool_calls ?? [];
  const refusal = choice?.message.refusal;
  return {
    content: choice?.message.content ?? '',
    ...(refusal && { refusal }),
    ...(toolCalls.length > 0 && { toolCalls }),
    model: completion.model ?? requestedModel,
    finishReason: choice?.finish_reason ?? null,
    usage: readUsage(completion.usage),
  };
}

/** Reads the reported usage without validating it. Only the cached tokens are corrected, because they can only lower the price. */
function readUsage(usage: unknown): ReportedUsage | null {
  if (usage === null || usage === undefined) return null;
  const { prompt_tokens, completion_tokens, prompt_tokens_details } = fieldsOf(usage);
  const { cached_tokens } = fieldsOf(prompt_tokens_details);
  return {
    promptTokens: prompt_tokens,
    cachedPromptTokens: Math.min(countOrZero(cached_tokens), countOrZero(prompt_tokens)),
    completionTokens: completion_tokens,
  };
}

function countOrZero(value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : 0;
}

/** The fields of a value that may not be an object. */
function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return Object(value) as Record<string, unknown>;
}
