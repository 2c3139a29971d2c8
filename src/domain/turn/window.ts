import type { ChatMessage } from '../../contract/chat';
import { limits } from '../../contract/limits';
import { measuredText, utf8Length } from './messages';

/**
 * What a model gets to see: the system prompt and the most recent messages, `maxMessages` in all and at most `maxBytes`
 * of text. The newest message always stays, however long it is; the system prompt does too. A tool's result is never
 * parted from the call that it answers: providers refuse one without the other.
 */
export function contextWindow(
  messages: readonly ChatMessage[],
  maxMessages: number = limits.maxWindowMessages,
  maxBytes: number = limits.maxWindowBytes,
): ChatMessage[] {
  const first = messages[0];
  const systemPrompt = first?.role === 'system' || first?.role === 'developer' ? [first] : [];
  const exchanges = together(messages.slice(systemPrompt.length));

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

/** Messages one by one, but tools' results with the calls before them. */
function together(messages: readonly ChatMessage[]): ChatMessage[][] {
  const groups: ChatMessage[][] = [];
  for (const message of messages) {
    const group = groups.at(-1);
    if (message.role === 'tool' && group !== undefined) group.push(message);
    else groups.push([message]);
  }
  return groups;
}

function bytesOf(messages: readonly ChatMessage[]): number {
  return messages.reduce((bytes, message) => bytes + utf8Length(measuredText(message)), 0);
}
