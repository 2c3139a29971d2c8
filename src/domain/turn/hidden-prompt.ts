import type { RequestOptions } from '../../contract/chat';
import type { Target } from '../../contract/policy';
import type { PromptMeasure } from '../../contract/turn';

/** The prompt with what the provider adds to it, as bytes: each may be a token. */
export function withHiddenPrompt(
  prompt: PromptMeasure,
  { hiddenPromptTokens = 0 }: Pick<Target, 'hiddenPromptTokens'>,
  options: RequestOptions['modelOptions'],
): PromptMeasure {
  const isAdded = options?.['tools'] !== undefined || options?.['response_format'] !== undefined;
  return isAdded && hiddenPromptTokens > 0 ? { ...prompt, bytes: prompt.bytes + hiddenPromptTokens } : prompt;
}
