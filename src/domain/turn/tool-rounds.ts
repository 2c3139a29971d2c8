import type { ChatMessage, ToolCall } from '../../contract/chat';

/**
 * The messages without tool calls that nobody answered and without results of calls that are not there. Providers refuse
 * both, and in a session that remembers them they would go on refusing: a user who writes something else while a tool's
 * result is due, or a call that is so old that it was forgotten. Each message, call and result is looked at a few times,
 * however many there are: this runs in a workflow's activation.
 */
export function completeToolRounds(all: readonly ChatMessage[]): ChatMessage[] {
  const messages = all.filter((message, index) => !repeatsCalls(all[index - 1], message));
  const rounds: (readonly ChatMessage[])[] = [];
  for (let index = 0; index < messages.length;) {
    const message = messages[index]!;
    const end = endOfResults(messages, index + 1);
    rounds.push(completeRound(message, messages.slice(index + 1, end)));
    index = end;
  }
  return rounds.flat();
}

/** The id of a result whose call is not there; null where some of `added`, which follows `before`, would be sent. */
export function lostCallId(before: readonly ChatMessage[], added: readonly ChatMessage[]): string | null {
  const [first] = added;
  if (first?.role !== 'tool') return null;
  const isSent = completeToolRounds([...before, ...added]).length > completeToolRounds(before).length;
  return isSent ? null : (first.tool_call_id ?? '');
}

/** A client that sends the calls along with their results, where the memory ends in the same calls. */
function repeatsCalls(before: ChatMessage | undefined, message: ChatMessage): boolean {
  const calls = callsOf(message);
  if (message.role !== 'assistant' || calls.length === 0) return false;
  const known = new Set(before?.tool_calls?.map(({ id }) => id));
  return calls.every(({ id }) => known.has(id));
}

/** Where the tools' results that begin at `index` end. */
function endOfResults(messages: readonly ChatMessage[], index: number): number {
  let end = index;
  while (messages[end]?.role === 'tool') end += 1;
  return end;
}

function completeRound(message: ChatMessage, results: readonly ChatMessage[]): readonly ChatMessage[] {
  if (message.role === 'tool') return [];
  const { tool_calls: _calls, ...said } = message;
  const allCalls = callsOf(message);
  const answered = new Set(results.map(({ tool_call_id }) => tool_call_id));
  const calls = allCalls.filter(({ id }) => answered.has(id));
  if (calls.length > 0) {
    const called = new Set<string | undefined>(calls.map(({ id }) => id));
    return [{ ...said, tool_calls: calls }, ...results.filter(({ tool_call_id }) => called.has(tool_call_id))];
  }
  return allCalls.length > 0 && isEmpty(said) ? [] : [said];
}

/** Some clients send null for none. */
function callsOf({ tool_calls }: ChatMessage): readonly ToolCall[] {
  return tool_calls ?? [];
}

function isEmpty({ content }: ChatMessage): boolean {
  return content === null || content.length === 0;
}
