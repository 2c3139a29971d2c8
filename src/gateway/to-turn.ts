import type { CompleteOptions, SendOptions } from '../client';
import type { ChatMessage, RequestOptions, WhileBusy } from '../contract/chat';
import type { ProblemPath } from '../contract/problem';
import type { TraceContext } from '../contract/trace';
import { type ChatRequest, passedThroughFields, pathInBody } from './chat-request';
import { badRequest } from './gateway-error';

/** What both kinds of turns are told beside their messages. */
export interface TurnFrame {
  readonly turnId: string;
  readonly keyId: string;
  readonly userId: string | undefined;
  /** null: routing decides. */
  readonly model: string | null;
  readonly fallbacks?: readonly string[];
  readonly deadlineMs: number;
  /** The time until which the caller waits, if it is known. */
  readonly startByMs?: number | undefined;
  /** Of a session's turn alone. Left out: it waits. */
  readonly whileBusy?: WhileBusy;
  readonly trace?: TraceContext | undefined;
  /** For this turn alone. */
  readonly instructions?: string | undefined;
  /** See `RequestOptions`. */
  readonly echo?: Readonly<Record<string, unknown>> | undefined;
}

type NamedTurn = Pick<TurnFrame, 'turnId'>;

export interface SessionCall {
  readonly kind: 'session';
  readonly options: SendOptions & NamedTurn;
  /** Where in the request what is new begins. */
  readonly firstNew: number;
  /** Where the request names the turn that it follows. */
  readonly afterField?: string;
}

interface StatelessCall {
  readonly kind: 'stateless';
  readonly options: CompleteOptions & NamedTurn;
  /** Messages that stand before those of the request. */
  readonly addedBefore: number;
}

export type TurnCall = StatelessCall | SessionCall;

/** A turn that brings its whole history. */
export function statelessTurn(body: ChatRequest, frame: TurnFrame): TurnCall {
  const { instructions } = frame;
  const before = instructions === undefined ? [] : [{ role: 'system' as const, content: instructions }];
  const messages = [...before, ...body.messages.map(toMessage)];
  const options = { ...optionsOf(body, frame), messages, keepAllMessages: true };
  return { kind: 'stateless', options, addedBefore: before.length };
}

/** A turn of a session to which all of its messages are new. @param after the turn that it follows; null: the latest one */
export function addedTurn(body: ChatRequest, sessionId: string, frame: TurnFrame, after: string | null): TurnCall {
  const messages = body.messages.map(toMessage);
  const options = {
    ...optionsOf(body, frame),
    ...instructionsOf(frame),
    sessionId,
    ...(after !== null && { branch: { after, mustBeRemembered: true as const } }),
    ...contentOf(messages),
  };
  return { kind: 'session', options, firstNew: 0 };
}

export function instructionsOf({ instructions }: TurnFrame): { readonly instructions?: string } {
  return instructions === undefined ? {} : { instructions };
}

/** What is new in a session: one plain text, or messages. */
export function contentOf(added: readonly ChatMessage[]): Pick<SendOptions, 'content' | 'messages'> {
  const [only] = added;
  const isPlain =
    added.length === 1 &&
    only?.role === 'user' &&
    typeof only.content === 'string' &&
    only.content.trim() !== '' &&
    !only.name;
  return isPlain ? { content: only.content } : { content: '', messages: added };
}

/** Where in the body of the request a problem of its turn is. */
export function pathInRequest(path: ProblemPath, call: TurnCall): ProblemPath {
  if (call.kind === 'stateless') return pathInBody(withoutAdded(path, call.addedBefore));
  const { firstNew, options } = call;
  const [field, index, ...inside] = path;
  switch (field ?? '') {
    case 'instructions':
      return path;
    case 'systemPrompt':
      return ['messages', 0, 'content'];
    case 'content':
      return ['messages', firstNew, 'content'];
    case 'messages':
      return typeof index === 'number' ? ['messages', firstNew + index, ...inside] : path;
    case 'history':
      return ['messages', ...inHistory(firstNew, options.history, [index, ...inside])];
    case 'branch':
      if (index === 'after') return call.afterField === undefined ? path : [call.afterField];
      if (index === 'systemPrompt') return ['messages', 0, 'content'];
      if (index === 'before') {
        const beforeEnd = firstNew - (options.branch?.history?.length ?? 0);
        return ['messages', ...inHistory(beforeEnd, options.branch?.before, inside)];
      }
      return ['messages', ...inHistory(firstNew, options.branch?.history, inside)];
    default:
      return pathInBody(path);
  }
}

function withoutAdded(path: ProblemPath, addedBefore: number): ProblemPath {
  const [field, index, ...inside] = path;
  if (field !== 'messages' || typeof index !== 'number' || addedBefore === 0) return path;
  return index < addedBefore ? ['instructions'] : [field, index - addedBefore, ...inside];
}

/** A history ends where what is new begins. */
function inHistory(
  firstNew: number,
  history: readonly ChatMessage[] = [],
  [index, ...inside]: readonly (ProblemPath[number] | undefined)[],
): ProblemPath {
  if (typeof index !== 'number') return [];
  return [firstNew - history.length + index, ...inside.filter((field) => field !== undefined)];
}

export function optionsOf(body: ChatRequest, frame: TurnFrame) {
  const { turnId, keyId, userId, model, fallbacks = [], deadlineMs, startByMs, trace, echo } = frame;
  const maxTokens = body.max_completion_tokens ?? body.max_tokens;
  const modelOptions = modelOptionsOf(body);
  const options: RequestOptions = {
    keyId,
    // Also for a plain answer, so that the limits on silence hold.
    delivery: body.stream === true ? 'streamed' : 'collected',
    ...(model !== null && { model }),
    ...(fallbacks.length > 0 && { fallbacks }),
    ...(startByMs !== undefined && { startByMs }),
    ...(trace !== undefined && { trace }),
    ...(echo !== undefined && { echo }),
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

export function toMessage(message: ChatRequest['messages'][number]): ChatMessage {
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
