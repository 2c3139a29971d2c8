import type { PrefillConduct } from './behaviour';
import { jsonReply } from './json-reply';
import type { CompletionCall } from './read-call';
import { replyTo } from './replies';
import { countPromptTokens, countTokens, truncateToTokens } from './tokens';
import { toolCallsFor, type SimulatedToolCall } from './tool-calls';

/** What a model says to a call: decided before it is sent, whole or in pieces. */
export interface Answer {
  /** '' beside tool calls. */
  readonly content: string;
  readonly toolCalls: readonly SimulatedToolCall[];
  readonly finishReason: 'stop' | 'length' | 'tool_calls';
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** The same answer for the same call, always. */
export function answerTo(call: CompletionCall, prefill: PrefillConduct): Answer {
  const promptTokens = countPromptTokens(call.contents);
  const asksNow = call.lastRole === 'user';
  const toolCalls = asksNow ? toolCallsFor(call.tools, call.lastUserContent, call.contents.length) : [];
  if (toolCalls.length > 0) {
    const completionTokens = countTokens(toolCalls.map((each) => each.function.name + each.function.arguments).join());
    return { content: '', toolCalls, finishReason: 'tool_calls', promptTokens, completionTokens };
  }
  const whole = textFor(call, prefill);
  const content = call.maxTokens === null ? whole : truncateToTokens(whole, call.maxTokens);
  const finishReason = content === whole ? 'stop' : 'length';
  return { content, toolCalls, finishReason, promptTokens, completionTokens: countTokens(content) };
}

function textFor(call: CompletionCall, prefill: PrefillConduct): string {
  const lastContent = call.contents.at(-1) ?? '';
  if (call.lastRole === 'tool') return `The tool says: ${lastContent}`;
  const reply = replyTo(call.lastUserContent);
  const whole = call.jsonSchema === null ? reply : jsonReply(call.jsonSchema, reply);
  if (call.lastRole !== 'assistant') return whole;
  switch (prefill) {
    case 'continue':
      // A text of someone else is gone on from, too.
      return whole.startsWith(lastContent) ? whole.slice(lastContent.length) : ` ${whole}`;
    case 'other':
      return `Let me say it anew. ${whole}`;
    case 'ignore':
    case 'refuse':
      break;
  }
  return whole;
}
