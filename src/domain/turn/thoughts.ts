import type { ChatMessage } from '../../contract/chat';

/**
 * Models that want their thoughts back beside the tool calls to which they led, by a part of their name: DeepSeek and Moonshot
 * reject a conversation without them. Most others reject the field.
 */
const thinkersWithMemory = ['deepseek', 'kimi', 'moonshot', 'glm', 'minimax', 'qwen', 'mimo'] as const;

/** The messages as a model takes them: with the thoughts beside tool calls if it wants them back, and without all others. */
export function withThoughtsFor(model: string, messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const name = model.toLowerCase();
  const wantsThem = thinkersWithMemory.some((part) => name.includes(part));
  return messages.map((message) => {
    const { reasoning_content: thoughts, ...rest } = message;
    const isWanted = wantsThem && (message.tool_calls ?? []).length > 0;
    return thoughts === undefined || isWanted ? message : rest;
  });
}
