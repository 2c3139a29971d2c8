import type { ChatMessage } from '../../contract/chat';

/**
 * Parts of the names of models that need their thoughts back along with the tool calls that those led to: DeepSeek and
 * Moonshot reject a conversation without them. Most others reject the field.
 */
const thinkersWithMemory = ['deepseek', 'kimi', 'moonshot', 'glm', 'minimax', 'qwen', 'mimo'] as const;

/**
 * The messages as a model accepts them: with the thoughts that led to tool calls if it needs them back, and without all
 * other thoughts.
 */
export function withThoughtsFor(model: string, messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const name = model.toLowerCase();
  const wantsThem = thinkersWithMemory.some((part) => name.includes(part));
  return messages.map((message) => {
    const { reasoning_content: thoughts, ...rest } = message;
    const isWanted = wantsThem && (message.tool_calls ?? []).length > 0;
    return thoughts === undefined || isWanted ? message : rest;
  });
}
