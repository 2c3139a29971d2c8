import type { ChatMessage } from '../../contract/chat';
import { limits } from '../../contract/limits';
import { bytesAsJson } from './messages';

/**
 * The messages that a model sees: the system prompt and the most recent messages, at most `maxMessages` and `maxBytes` of
 * text in all. The newest message and the system prompt are always included, however long they are. A tool result is never
 * separated from its call: providers reject one without the other.
 */
export function contextWindow(
  messages: readonly ChatMessage[],
  maxMessages: number = limits.maxWindowMessages,
  maxBytes: number = limits.maxWindowBytes,
): ChatMessage[] {
  const first = messages[0];
  const systemPrompt = first?.role === 'system' || first?.role === 'developer' ? [first] : [];
  const exchanges = withToolResults(messages.slice(systemPrompt.length));

  const recent: ChatMessage[][] = [];
  let count = systemPrompt.length;
  let bytesLeft = maxBytes - bytesOf(systemPrompt);
  for (const exchange of exchanges.toReversed()) {
    bytesLeft -= bytesOf(exchange);
    count += exchange.length;
    const isNewest = recent.length === 0;
    if (!isNewest && (count > maxMessages || bytesLeft < 0)) break;
    recent.push(exchange);
  }
  return [...systemPrompt, ...recent.toReversed().flat()];
}

/** Groups each tool result with the call before it; all other messages stay on their own. */
function withToolResults(messages: readonly ChatMessage[]): ChatMessage[][] {
  const groups: ChatMessage[][] = [];
  for (const message of messages) {
    const group = groups.at(-1);
    if (message.role === 'tool' && group !== undefined) group.push(message);
    else groups.push([message]);
  }
  return groups;
}

function bytesOf(messages: readonly ChatMessage[]): number {
  return messages.reduce((bytes, message) => bytes + bytesAsJson(message), 0);
}
