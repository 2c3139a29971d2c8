import type { Answer } from './answer';

/** The body of a `chat.completion`, before serialization. */
export function completionBody(id: string, model: string, answer: Answer, cachedPromptPercent: number) {
  return {
    id: `chatcmpl-${id}`,
    object: 'chat.completion',
    created: Math.floor(Date.now() / 1000),
    model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: answer.toolCalls.length > 0 ? null : answer.content,
          ...(answer.thoughts !== '' && { reasoning_content: answer.thoughts }),
          ...(answer.toolCalls.length > 0 && { tool_calls: answer.toolCalls }),
        },
        finish_reason: answer.finishReason,
      },
    ],
    usage: {
      prompt_tokens: answer.promptTokens,
      completion_tokens: answer.completionTokens,
      total_tokens: answer.promptTokens + answer.completionTokens,
      ...(answer.reasoningTokens > 0 && { completion_tokens_details: { reasoning_tokens: answer.reasoningTokens } }),
      prompt_tokens_details: { cached_tokens: Math.floor((answer.promptTokens * cachedPromptPercent) / 100) },
    },
  };
}

export type CompletionBody = ReturnType<typeof completionBody>;
