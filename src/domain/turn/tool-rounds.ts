import type { ChatMessage, ToolCall } from '../../contract/chat';
import { isEmptyMessage } from './messages';

/**
 * Removes tool calls without a result and results without a call. Providers reject both, and in a session that remembers
 * them, every later turn would be rejected, too. They occur when a user writes something else while a tool result is due,
 * or when a call is so old that it was forgotten. Runs in a workflow's activation, so it visits each message, call and
 * result only a fixed number of times.
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

/** The id of a tool result in `added` whose call is unknown; null if at least some of `added`, which follows `before`, can be sent. */
export function orphanedCallId(before: readonly ChatMessage[], added: readonly ChatMessage[]): string | null {
  const [first] = added;
  if (first?.role !== 'tool') return null;
  const isSent = completeToolRounds([...before, ...added]).length > completeToolRounds(before).length;
  return isSent ? null : (first.tool_call_id ?? '');
}

/** Whether a message repeats the calls of the previous one: some clients send the calls again with their results. */
function repeatsCalls(before: ChatMessage | undefined, message: ChatMessage): boolean {
  const calls = callsOf(message);
  if (message.role !== 'assistant' || calls.length === 0) return false;
  const known = new Set(before?.tool_calls?.map(({ id }) => id));
  return calls.every(({ id }) => known.has(id));
}

/** The end of the run of tool results that starts at `index`. */
function endOfResults(messages: readonly ChatMessage[], index: number): number {
  let end = index;
  while (messages[end]?.role === 'tool') end += 1;
  return end;
}

function completeRound(message: ChatMessage, results: readonly ChatMessage[]): readonly ChatMessage[] {
  if (message.role === 'tool') return [];
  const { tool_calls: _calls, ...rest } = message;
  const allCalls = callsOf(message);
  const answered = new Set(results.map(({ tool_call_id }) => tool_call_id));
  const calls = allCalls.filter(({ id }) => answered.has(id));
  if (calls.length > 0) {
    const called = new Set<string | undefined>(calls.map(({ id }) => id));
    return [{ ...rest, tool_calls: calls }, ...results.filter(({ tool_call_id }) => called.has(tool_call_id))];
  }
  return allCalls.length > 0 && isEmptyMessage(rest) ? [] : [rest];
}

/** Some clients send null instead of omitting the field. */
function callsOf({ tool_calls }: ChatMessage): readonly ToolCall[] {
  return tool_calls ?? [];
}
