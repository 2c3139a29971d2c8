import type { TokenUsage } from '../contract/turn';
import type { ExchangeRequest } from './exchange';
import type { CompletionRequest, CompletionResult } from './provider';
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

type Answer = Omit<Extract<CompletionResult, { kind: 'completed' }>, 'kind' | 'latencyMs'>;

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

function readUsage(usage: Completion['usage']): TokenUsage | null {
  if (usage === null || usage === undefined) return null;
  const promptTokens = usage.prompt_tokens;
  const cachedPromptTokens = Math.min(usage.prompt_tokens_details?.cached_tokens ?? 0, promptTokens);
  return { promptTokens, cachedPromptTokens, completionTokens: usage.completion_tokens };
}
