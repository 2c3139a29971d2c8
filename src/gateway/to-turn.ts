import type { CompleteOptions, SendOptions } from '../client';
import type { ChatMessage, RequestOptions } from '../contract/chat';
import { limits } from '../contract/limits';
import type { ProblemPath } from '../contract/problem';
import { measuredText, messageText, utf8Length } from '../domain/turn/messages';
import { contextWindow } from '../domain/turn/window';
import { type ChatRequest, passedThroughFields, pathInBody } from './chat-request';
import { badRequest } from './gateway-error';

/** What both kinds of turns are told beside their messages. */
export interface TurnFrame {
  readonly turnId: string;
  readonly keyId: string;
  readonly userId: string | undefined;
  /** null: routing decides. */
  readonly model: string | null;
  readonly deadlineMs: number;
}

type NamedTurn = Pick<TurnFrame, 'turnId'>;

export type TurnCall =
  | { readonly kind: 'stateless'; readonly options: CompleteOptions & NamedTurn }
  /** `firstNew`: where in the request what is new begins. */
  | { readonly kind: 'session'; readonly options: SendOptions & NamedTurn; readonly firstNew: number };

/** A turn that brings its whole history. */
export function statelessTurn(body: ChatRequest, frame: TurnFrame): TurnCall {
  const options = { ...optionsOf(body, frame), messages: body.messages.map(toMessage), keepAllMessages: true };
  return { kind: 'stateless', options };
}

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
  const isPlain =
    added.length === 1 &&
    only?.role === 'user' &&
    typeof only.content === 'string' &&
    only.content.trim() !== '' &&
    !only.name;
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

/** Where in the body of the request a problem of its turn is. */
export function pathInRequest(path: ProblemPath, call: TurnCall): ProblemPath {
  if (call.kind === 'stateless') return pathInBody(path);
  const { firstNew, options } = call;
  const [field, index, ...inside] = path;
  switch (field ?? '') {
    case 'systemPrompt':
      return ['messages', 0, 'content'];
    case 'content':
      return ['messages', firstNew, 'content'];
    case 'messages':
      return typeof index === 'number' ? ['messages', firstNew + index, ...inside] : path;
    case 'history': {
      const firstOld = firstNew - (options.history?.length ?? 0);
      return typeof index === 'number' ? ['messages', firstOld + index, ...inside] : ['messages'];
    }
    default:
      return pathInBody(path);
  }
}

function optionsOf(body: ChatRequest, { turnId, keyId, userId, model, deadlineMs }: TurnFrame) {
  const maxTokens = body.max_completion_tokens ?? body.max_tokens;
  const modelOptions = modelOptionsOf(body);
  const options: RequestOptions = {
    keyId,
    // Also for a plain answer, so that the limits on silence hold.
    delivery: body.stream === true ? 'streamed' : 'collected',
    ...(model !== null && { model }),
    ...(modelOptions && { modelOptions }),
    ...(typeof maxTokens === 'number' && { maxTokens }),
    ...(typeof body.temperature === 'number' && { temperature: body.temperature }),
  };
  return { ...options, turnId, deadlineMs, ...(userId !== undefined && { userId }) };
}

function modelOptionsOf(body: ChatRequest): Record<string, unknown> | undefined {
  // Clients send an empty list for "no tools"; providers refuse it, and a choice among none too.
  const hasTools = (body.tools?.length ?? 0) > 0;
  const { tool_choice: choice } = body;
  const mustCall = choice === 'required' || (typeof choice === 'object' && choice !== null);
  if (!hasTools && mustCall) throw badRequest('tool_choice demands a call, and there are no tools.', 'tool_choice');
  const aboutTools = ['tools', 'tool_choice', 'parallel_tool_calls'];
  const options = passedThroughFields
    .filter((field) => hasTools || !aboutTools.includes(field))
    .map((field) => [field, body[field]] as const)
    .filter(([, value]) => value !== undefined && value !== null);
  return options.length > 0 ? Object.fromEntries(options) : undefined;
}

/** A message of any role; what parts there may be the turn's own checks say, as they say it to clients without a gateway. */
interface AnyMessage {
  readonly role: ChatMessage['role'];
  readonly content?: unknown;
  readonly refusal?: string | null | undefined;
  readonly reasoning_content?: string | null | undefined;
  readonly name?: string | null | undefined;
  readonly tool_calls?: ChatMessage['tool_calls'] | null | undefined;
  readonly tool_call_id?: string | null | undefined;
}

function toMessage(message: ChatRequest['messages'][number]): ChatMessage {
  const { role, content, refusal, reasoning_content, name, tool_calls, tool_call_id }: AnyMessage = message;
  return {
    role,
    // As the memory of a session keeps it, and as providers take it that know no refusals.
    content: (content ?? (role === 'assistant' ? (refusal ?? null) : null)) as ChatMessage['content'],
    ...(typeof name === 'string' && { name }),
    ...(tool_calls && tool_calls.length > 0 && { tool_calls }),
    // No model wants the thoughts of an answer without calls.
    ...(tool_calls && tool_calls.length > 0 && typeof reasoning_content === 'string' && { reasoning_content }),
    ...(typeof tool_call_id === 'string' && { tool_call_id }),
  };
}
