import type { ChatMessage } from '../contract/chat';

/**
 * The messages without tool calls that nobody answered and without results of calls that are not there. Providers refuse
 * both, and in a session that remembers them they would go on refusing: a user who writes something else while a tool's
 * result is due, or a call that is so old that it was forgotten.
 */
export function completeToolRounds(all: readonly ChatMessage[]): ChatMessage[] {
  const messages = all.filter((message, index) => !repeatsCalls(all[index - 1], message));
  const complete: ChatMessage[] = [];
  for (let index = 0; index < messages.length;) {
    const message = messages[index]!;
    const results = resultsAfter(messages, index);
    complete.push(...completeRound(message, results));
    index += 1 + results.length;
  }
  return complete;
}

/** The id of a result whose call is not there; null where some of `added`, which follows `before`, would be sent. */
export function lostCallId(before: readonly ChatMessage[], added: readonly ChatMessage[]): string | null {
  const [first] = added;
  if (first?.role !== 'tool') return null;
  const isSent = completeToolRounds([...before, ...added]).length > completeToolRounds(before).length;
  return isSent ? null : (first.tool_call_id ?? '');
}

/** A client that sends the calls along with their results, where the memory ends in the same calls. */
function repeatsCalls(before: ChatMessage | undefined, { role, tool_calls: calls = [] }: ChatMessage): boolean {
  if (role !== 'assistant' || calls.length === 0) return false;
  const known = before?.tool_calls ?? [];
  return calls.every(({ id }) => known.some((call) => call.id === id));
}

function resultsAfter(messages: readonly ChatMessage[], index: number): readonly ChatMessage[] {
  const end = messages.findIndex(({ role }, at) => at > index && role !== 'tool');
  return messages.slice(index + 1, end === -1 ? undefined : end);
}

function completeRound(message: ChatMessage, results: readonly ChatMessage[]): readonly ChatMessage[] {
  if (message.role === 'tool') return [];
  const { tool_calls = [], ...said } = message;
  const calls = tool_calls.filter(({ id }) => results.some((result) => result.tool_call_id === id));
  if (calls.length > 0) {
    return [
      { ...said, tool_calls: calls },
      ...results.filter((result) => calls.some(({ id }) => id === result.tool_call_id)),
    ];
  }
  return tool_calls.length > 0 && isEmpty(said) ? [] : [said];
}

function isEmpty({ content }: ChatMessage): boolean {
  return content === null || content.length === 0;
}
