import type { ChatMessage } from '../contract/chat';

const instruction =
  'Your last message below broke off while it was being sent, and the user has already read what it holds. Write only what follows it, from the very next character: repeat none of it, do not begin anew, and do not mention the interruption.';

/**
 * The messages of a call that goes on from an answer which broke off. The answer is put last, as the assistant's own
 * message, for models that go on from there; and the instruction says so, because behind many interfaces that message
 * counts as finished, and the model would begin another one. It is part of the system prompt where there is one: some
 * models take no second.
 */
export function withPrefill(messages: readonly ChatMessage[], begun: string): readonly ChatMessage[] {
  const [first, ...others] = messages;
  const system = first?.role === 'system' || first?.role === 'developer' ? first : null;
  const instructed: ChatMessage = system
    ? { ...system, content: withInstruction(system.content) }
    : { role: 'system', content: instruction };
  return [instructed, ...(system ? others : messages), { role: 'assistant', content: begun }];
}

function withInstruction(content: ChatMessage['content']): ChatMessage['content'] {
  if (content === null) return instruction;
  if (typeof content === 'string') return `${content}\n\n${instruction}`;
  return [...content, { type: 'text', text: instruction }];
}
