import type { ChatMessage } from '../contract/chat';
import { limits } from '../contract/limits';
import { utf8Length } from './text';

/**
 * What a model gets to see: the system prompt and the most recent messages, `maxMessages` in all and at most `maxBytes`
 * of text. The newest message always stays, however long it is; the system prompt does too.
 */
export function contextWindow(
  messages: readonly ChatMessage[],
  maxMessages: number = limits.maxWindowMessages,
  maxBytes: number = limits.maxWindowBytes,
): ChatMessage[] {
  const first = messages[0];
  const systemPrompt = first?.role === 'system' ? [first] : [];
  const rest = messages.slice(systemPrompt.length);

  const recent: ChatMessage[] = [];
  let bytesLeft = maxBytes - systemPrompt.reduce((bytes, message) => bytes + utf8Length(message.content), 0);
  for (const message of rest.toReversed()) {
    bytesLeft -= utf8Length(message.content);
    const isNewest = recent.length === 0;
    if (!isNewest && (recent.length + systemPrompt.length >= maxMessages || bytesLeft < 0)) break;
    recent.push(message);
  }
  return [...systemPrompt, ...recent.toReversed()];
}
