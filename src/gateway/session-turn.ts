import type { ChatMessage } from '../contract/chat';
import { limits } from '../contract/limits';
import { measuredText, messageText, utf8Length } from '../domain/turn/messages';
import { contextWindow } from '../domain/turn/window';
import type { ChatRequest } from './chat-request';
import { badRequest } from './gateway-error';
import { optionsOf, toMessage, type TurnCall, type TurnFrame } from './to-turn';

/**
 * A turn of a session, whose memory is the truth: only what stands behind the last assistant message is new, so a client
 * that resends its history pays for it once. What stands before counts when the session begins: a system prompt, and a
 * conversation that was begun elsewhere, or so long ago that its memory has ended.
 */
export function sessionTurn(body: ChatRequest, sessionId: string, frame: TurnFrame): TurnCall {
  const messages = body.messages.map(toMessage);
  const firstTalk = messages.findIndex(({ role }) => role !== 'system' && role !== 'developer');
  const prompts = messages.slice(0, firstTalk === -1 ? messages.length : firstTalk);
  const lastAnswer = messages.findLastIndex(({ role }) => role === 'assistant');
  const firstNew = firstNewOf(messages, lastAnswer, prompts.length);
  const added = messages.slice(firstNew);
  if (added.length === 0) {
    throw badRequest('messages must end with what is new in the session: a message of a user or a tool.', 'messages');
  }
  const systemPrompt = prompts.map(messageText).join('\n\n');
  const history = historyOf(messages.slice(prompts.length, firstNew));
  const [only] = added;
  const isPlain = added.length === 1 && only?.role === 'user' && typeof only.content === 'string' && !only.name;
  const options = {
    ...optionsOf(body, frame),
    sessionId,
    ...(systemPrompt.trim() !== '' && { systemPrompt }),
    ...(history.length > 0 && { history }),
    ...(isPlain ? { content: only.content } : { content: '', messages: added }),
  };
  return { kind: 'session', options, firstNew };
}

/** Results of tools bring their calls along: the memory may lack them, and knows them again where it does not. */
function firstNewOf(messages: readonly ChatMessage[], lastAnswer: number, promptCount: number): number {
  const bringsCalls = messages[lastAnswer + 1]?.role === 'tool' && messages[lastAnswer]?.tool_calls !== undefined;
  return Math.max(promptCount, bringsCalls ? lastAnswer : lastAnswer + 1);
}

/** As much of it as a model would get to see, and a conversation may carry. */
export function historyOf(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const recent = contextWindow(messages, limits.maxWindowMessages, limits.maxHistoryBytes);
  const bytes = recent.reduce((sum, message) => sum + utf8Length(measuredText(message)), 0);
  // One message alone may still be too long; then the session begins without.
  return bytes <= limits.maxHistoryBytes ? recent : [];
}
