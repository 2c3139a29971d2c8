import type { CompletionResult, ReportedUsage } from '../contract/provider';
import type { Completion } from './response-schemas';

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
  const { prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details, completion_tokens_details } =
    fieldsOf(usage);
  const { cached_tokens } = fieldsOf(prompt_tokens_details);
  const { reasoning_tokens } = fieldsOf(completion_tokens_details);
  return {
    promptTokens: prompt_tokens,
    cachedPromptTokens: Math.min(countOrZero(cached_tokens), countOrZero(prompt_tokens)),
    completionTokens: completion_tokens,
    ...(total_tokens !== undefined && { totalTokens: total_tokens }),
    ...(reasoning_tokens !== undefined && { reasoningTokens: reasoning_tokens }),
  };
}

function countOrZero(value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : 0;
}

/** The fields of a value that may not be an object. */
function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return Object(value) as Record<string, unknown>;
}
