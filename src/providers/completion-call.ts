import type { ExchangeRequest } from './exchange';
import type { ClaimedUsage, CompletionRequest, CompletionResult } from '../contract/provider';
import type { Completion } from './response-schemas';

const accountedFields: ReadonlySet<string> = new Set([
  // Refused where no stream is asked for.
  'stream_options',
  // The other name of `max_tokens` would lift its limit.
  'max_completion_tokens',
  // More answers than the one that is reserved, each paid.
  'n',
  'best_of',
  // Other prices than the known one, and a fee beside it.
  'service_tier',
  'web_search_options',
]);

/** The request for a completion. Options cannot change what the call is accounted and delivered by. */
export function completionCall(request: CompletionRequest, path: string): ExchangeRequest {
  const { model, messages, temperature, maxTokens, requestId, timeoutMs, signal, stream, options } = request;
  const body = {
    ...Object.fromEntries(Object.entries(options ?? {}).filter(([field]) => !accountedFields.has(field))),
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

/** Sorted by names alone, whatever is claimed: only what is cached is put right, as it can do no more than lower the price. */
function readUsage(usage: unknown): ClaimedUsage | null {
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

/** Of something that may have none. */
function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return Object(value) as Record<string, unknown>;
}
