import {
  type Branch,
  type ChatMessage,
  chatRoles,
  type ChatTurnInput,
  type ContentPart,
  deliveries,
  partTypes,
  replyLanguages,
  type SamplingOptions,
  type SendMessageInput,
  whileBusyPolicies,
} from '../../contract/chat';
import { imageIdIn } from '../../contract/images';
import { limits } from '../../contract/limits';
import type { Problem, ProblemPath } from '../../contract/problem';
import { modelOptionsProblem } from './model-options';
import { traceProblem } from './trace-context';
import {
  bytesAsJson,
  hasNoContent,
  imageUrlOf,
  isEmptyMessage,
  measuredText,
  partsLength,
  utf8Length,
} from './messages';

/** Ids become parts of workflow ids and keys of the ledger: visible characters, no spaces. */
const idPattern = /^[\x21-\x7e]+$/;

/** A value as part of a message: whatever it is, and no more of it than a line holds. */
export function valueInWords(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40));
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

/** What is wrong with an id, or null. */
export function idProblem(path: ProblemPath, value: unknown): Problem | null {
  if (typeof value !== 'string' || value.length === 0) return notText(path, value);
  const tooLong = overLimit(path, 'too-long', ['has', value.length, 'characters'], limits.maxIdLength);
  if (tooLong !== null || idPattern.test(value)) return tooLong;
  return { path, code: 'wrong-value', message: 'may hold visible ASCII characters only, without spaces' };
}

function optionalIdProblem(path: ProblemPath, value: unknown): Problem | null {
  return value === undefined ? null : idProblem(path, value);
}

function notText(path: ProblemPath, value: unknown): Problem {
  const code = typeof value === 'string' ? 'too-short' : 'wrong-type';
  return { path, code, message: 'must be a non-empty string' };
}

/** Of a text that says something. */
export function contentProblem(
  path: ProblemPath,
  value: unknown,
  maxBytes: number = limits.maxMessageBytes,
): Problem | null {
  if (typeof value !== 'string' || value.trim().length === 0) return notText(path, value);
  return lengthProblem(path, value, maxBytes);
}

function lengthProblem(path: ProblemPath, text: string, maxBytes: number): Problem | null {
  return overLimit(path, 'too-long', ['has', utf8Length(text), 'bytes'], maxBytes);
}

/** `has 65537 bytes, the limit is 65536`. */
function overLimit(
  path: ProblemPath,
  code: 'too-long' | 'too-many',
  [verb, count, what]: readonly [verb: 'has' | 'have', count: number, what: string],
  limit: number,
): Problem | null {
  if (count <= limit) return null;
  return { path, code, message: `${verb} ${count} ${what}, the limit is ${limit}`, limit };
}

function samplingProblem({ temperature, maxTokens }: SamplingOptions): Problem | null {
  if (temperature !== undefined && !(typeof temperature === 'number' && temperature >= 0 && temperature <= 2)) {
    const message = `must be a number from 0 to 2, not ${valueInWords(temperature)}`;
    return { path: ['temperature'], code: 'out-of-range', message };
  }
  if (maxTokens !== undefined && !(Number.isInteger(maxTokens) && maxTokens >= 1)) {
    return countProblem(['maxTokens'], maxTokens, 1);
  }
  return null;
}

function countProblem(path: ProblemPath, value: unknown, limit: number): Problem {
  const message = `must be a whole number of at least ${limit}, not ${valueInWords(value)}`;
  return { path, code: 'out-of-range', message, limit };
}

interface CheckedConversation {
  readonly sessionId: unknown;
  readonly systemPrompt?: unknown;
  readonly history?: readonly ChatMessage[];
  readonly idleTimeoutMs?: number;
}

/** What is wrong with the start of a conversation, or null. */
export function conversationProblem(input: CheckedConversation): Problem | null {
  return (
    conversationFieldsProblem(input) ??
    thoughtsProblem(['history'], input.history) ??
    partContentsProblem(['history'], input.history, limits.maxHistoryBytes)
  );
}

/** The same without the newer checks of thoughts and parts: a workflow that is replayed may have begun without them. */
export function conversationFieldsProblem(input: CheckedConversation): Problem | null {
  const { sessionId, systemPrompt, history, idleTimeoutMs } = input;
  if (idleTimeoutMs !== undefined && !(Number.isInteger(idleTimeoutMs) && idleTimeoutMs >= limits.minIdleTimeoutMs)) {
    return countProblem(['idleTimeoutMs'], idleTimeoutMs, limits.minIdleTimeoutMs);
  }
  return (
    idProblem(['sessionId'], sessionId) ??
    (systemPrompt === undefined ? null : contentProblem(['systemPrompt'], systemPrompt)) ??
    (history === undefined ? null : historyProblem(history))
  );
}

function historyProblem(history: readonly ChatMessage[], path: ProblemPath = ['history']): Problem | null {
  if (!Array.isArray(history)) return { path, code: 'wrong-type', message: 'must be a list of messages' };
  let bytes = 0;
  let jsonBytes = 0;
  for (const [index, message] of (history as readonly ChatMessage[]).entries()) {
    const problem =
      messageProblem([...path, index], message, limits.maxHistoryBytes) ??
      toolCallsProblem([...path, index, 'tool_calls'], message.tool_calls);
    if (problem !== null) return problem;
    bytes += utf8Length(measuredText(message));
    jsonBytes += bytesAsJson(message);
  }
  return (
    overLimit(path, 'too-long', ['has', bytes, 'bytes in all'], limits.maxHistoryBytes) ??
    overLimit(path, 'too-long', ['has', jsonBytes, 'bytes as JSON'], limits.maxHistoryJsonBytes)
  );
}

/**
 * What is wrong with the lists of a request, or null: how long they are, and that tool calls are what they should be. It
 * comes first: whatever walks the messages after it has no more to walk than the limits say.
 */
export function listsProblem({
  messages,
  modelOptions,
}: {
  readonly messages?: readonly ChatMessage[];
  readonly modelOptions?: unknown;
}): Problem | null {
  const tools: unknown = (modelOptions as { readonly tools?: unknown } | null | undefined)?.tools;
  return (
    (Array.isArray(messages) ? messageListProblem(messages) : null) ??
    (Array.isArray(tools)
      ? overLimit(['modelOptions', 'tools'], 'too-many', ['have', tools.length, 'entries'], limits.maxTools)
      : null)
  );
}

function messageListProblem(messages: readonly ChatMessage[]): Problem | null {
  const path = ['messages'];
  const tooMany = overLimit(path, 'too-many', ['have', messages.length, 'entries'], limits.maxMessages);
  if (tooMany !== null) return tooMany;
  let parts = 0;
  let calls = 0;
  for (const [index, message] of messages.entries()) {
    const { content, tool_calls = null } = message ?? {};
    const problem = toolCallsProblem([...path, index, 'tool_calls'], tool_calls);
    if (problem !== null) return problem;
    parts += Array.isArray(content) ? content.length : 0;
    calls += tool_calls?.length ?? 0;
  }
  return (
    overLimit(path, 'too-many', ['have', parts, 'parts in all'], limits.maxParts) ??
    overLimit(path, 'too-many', ['have', calls, 'tool_calls in all'], limits.maxToolCalls)
  );
}

/** They are looked for by their ids, and whoever looks would stumble over what is no object. */
function toolCallsProblem(path: ProblemPath, calls: unknown): Problem | null {
  if (calls === undefined || calls === null) return null;
  if (!Array.isArray(calls)) return { path, code: 'wrong-type', message: 'must be a list of calls' };
  const index = calls.findIndex((call) => typeof call !== 'object' || call === null);
  if (index === -1) return null;
  return { path: [...path, index], code: 'wrong-type', message: 'must be an object with an id' };
}

function isTextOrNull(value: unknown): boolean {
  return value === null || typeof value === 'string';
}

function thoughtsProblem(path: ProblemPath, messages: readonly ChatMessage[] = []): Problem | null {
  const index = messages.findIndex(({ reasoning_content: thoughts = null }) => !isTextOrNull(thoughts));
  if (index === -1) return null;
  return { path: [...path, index, 'reasoning_content'], code: 'wrong-type', message: 'must be a string' };
}

type Unchecked<Input> = { readonly [Field in keyof Input]: unknown };

type CheckedMessage = Partial<Unchecked<SendMessageInput>> & SamplingOptions & Pick<SendMessageInput, 'messages'>;

/** What is wrong with a message for a conversation, or null. */
export function sendMessageProblem(input: CheckedMessage): Problem | null {
  const { before, history } = (input.branch ?? {}) as Partial<Branch>;
  return (
    sendMessageFieldsProblem(input) ??
    modelProblem(input.model) ??
    partContentsProblem(['messages'], input.messages, limits.maxMessageBytes) ??
    partContentsProblem(['branch', 'before'], before, limits.maxHistoryBytes) ??
    partContentsProblem(['branch', 'history'], history, limits.maxHistoryBytes) ??
    jsonSizeProblem(input)
  );
}

/** The same but for its size: what is too large for Temporal reaches no workflow. */
export function sendMessageFieldsProblem(input: CheckedMessage): Problem | null {
  return (
    idProblem(['turnId'], input.turnId) ??
    listsProblem(input) ??
    modelOptionsProblem(input.modelOptions) ??
    (input.messages === undefined
      ? contentProblem(['content'], input.content)
      : messagesProblem(input.messages, input.modelOptions, limits.maxMessageBytes)) ??
    branchProblem(input.branch) ??
    (input.instructions === undefined ? null : contentProblem(['instructions'], input.instructions)) ??
    requestProblem(input) ??
    thoughtsProblem(['messages'], input.messages) ??
    thoughtsProblem(['branch', 'history'], (input.branch as Partial<Branch> | undefined)?.history)
  );
}

function branchProblem(branch: unknown): Problem | null {
  if (branch === undefined) return null;
  if (typeof branch !== 'object' || branch === null) {
    return { path: ['branch'], code: 'wrong-type', message: 'must be an object' };
  }
  const { after, before, history, systemPrompt } = branch as Partial<Branch>;
  return (
    (after === null ? null : idProblem(['branch', 'after'], after)) ??
    branchHistoryProblem(['branch', 'before'], before) ??
    branchHistoryProblem(['branch', 'history'], history) ??
    (systemPrompt === undefined || systemPrompt === ''
      ? null
      : contentProblem(['branch', 'systemPrompt'], systemPrompt))
  );
}

function branchHistoryProblem(path: ProblemPath, history: readonly ChatMessage[] | undefined): Problem | null {
  if (history === undefined) return null;
  const count = Array.isArray(history) ? history.length : 0;
  return overLimit(path, 'too-many', ['has', count, 'entries'], limits.maxMessages) ?? historyProblem(history, path);
}

type CheckedChatTurn = Partial<Unchecked<ChatTurnInput>> & SamplingOptions & Pick<ChatTurnInput, 'messages'>;

/** What is wrong with a request that brings its own history, or null. */
export function chatTurnProblem(input: CheckedChatTurn): Problem | null {
  return (
    listsProblem(input) ??
    modelOptionsProblem(input.modelOptions) ??
    chatTurnFieldsProblem(input) ??
    thoughtsProblem(['messages'], input.messages) ??
    modelProblem(input.model) ??
    partContentsProblem(['messages'], input.messages, maxMessageBytesOf(input)) ??
    jsonSizeProblem(input)
  );
}

/**
 * What Temporal would refuse: not part of what a workflow checks, because it is only started with less. What a conversation
 * starts with is a payload of its own, with limits of its own.
 */
function jsonSizeProblem(input: object): Problem | null {
  const { history: _history, systemPrompt: _systemPrompt, ...payload } = input as Partial<CheckedConversation>;
  const bytes = utf8Length(JSON.stringify(payload));
  const limit = limits.maxRequestJsonBytes;
  if (bytes <= limit) return null;
  return {
    path: [],
    code: 'too-long',
    message: `the request has ${bytes} bytes as JSON, at most ${limit} are taken`,
    limit,
  };
}

/**
 * The same without the newer checks of lists, options, thoughts, parts and the model's name: a workflow that is replayed
 * may have begun without them.
 */
export function chatTurnFieldsProblem(input: CheckedChatTurn): Problem | null {
  return (
    messagesProblem(input.messages, input.modelOptions, maxMessageBytesOf(input)) ??
    idProblem(['turnId'], input.turnId) ??
    optionalIdProblem(['sessionId'], input.sessionId) ??
    requestProblem(input)
  );
}

/** A caller that chooses its own window also knows how long one message may be. */
function maxMessageBytesOf({ keepAllMessages }: CheckedChatTurn): number {
  return keepAllMessages === true ? limits.maxRequestBytes : limits.maxMessageBytes;
}

function requestProblem(
  input: SamplingOptions & {
    readonly userId?: unknown;
    readonly keyId?: unknown;
    readonly requestHash?: unknown;
    readonly language?: unknown;
    readonly delivery?: unknown;
    readonly model?: unknown;
    readonly fallbacks?: unknown;
    readonly modelOptions?: unknown;
    readonly startByMs?: unknown;
    readonly trace?: unknown;
    readonly whileBusy?: unknown;
  },
): Problem | null {
  const { delivery, language, model, modelOptions, startByMs } = input;
  if (modelOptions !== undefined && (typeof modelOptions !== 'object' || modelOptions === null)) {
    return { path: ['modelOptions'], code: 'wrong-type', message: 'must be an object' };
  }
  if (model !== undefined && typeof model !== 'string') {
    return { path: ['model'], code: 'wrong-type', message: 'must be a string' };
  }
  if (startByMs !== undefined && !(Number.isSafeInteger(startByMs) && (startByMs as number) >= 0)) {
    return countProblem(['startByMs'], startByMs, 0);
  }
  return (
    fallbacksProblem(input.fallbacks) ??
    choiceProblem(['delivery'], delivery, deliveries) ??
    optionalIdProblem(['userId'], input.userId) ??
    optionalIdProblem(['keyId'], input.keyId) ??
    optionalIdProblem(['requestHash'], input.requestHash) ??
    choiceProblem(['language'], language, replyLanguages) ??
    choiceProblem(['whileBusy'], input.whileBusy, whileBusyPolicies) ??
    traceProblem(input.trace) ??
    samplingProblem(input)
  );
}

function messagesProblem(
  messages: readonly ChatMessage[],
  modelOptions: unknown,
  maxMessageBytes: number,
): Problem | null {
  const path = ['messages'];
  if (!Array.isArray(messages)) return { path, code: 'wrong-type', message: 'must hold at least one message' };
  if (messages.length === 0) return { path, code: 'too-few', message: 'must hold at least one message', limit: 1 };
  let bytes = modelOptions === undefined ? 0 : utf8Length(JSON.stringify(modelOptions));
  for (const [index, message] of (messages as readonly ChatMessage[]).entries()) {
    const problem = messageProblem([...path, index], message, maxMessageBytes);
    if (problem !== null) return problem;
    bytes += utf8Length(measuredText(message));
  }
  if (messages.every(isEmptyMessage)) {
    return { path, code: 'wrong-value', message: 'must hold at least one message that is not empty' };
  }
  return overLimit(path, 'too-long', ['have', bytes, 'bytes in all'], limits.maxRequestBytes);
}

function messageProblem(path: ProblemPath, message: ChatMessage, maxBytes: number): Problem | null {
  if (!chatRoles.includes(message?.role)) {
    return { path: [...path, 'role'], code: 'wrong-value', message: `must be one of ${chatRoles.join(', ')}` };
  }
  const { role, content, tool_calls, tool_call_id } = message;
  if (role === 'tool' && typeof tool_call_id !== 'string') {
    return { path: [...path, 'tool_call_id'], code: 'missing', message: 'must name the call that it answers' };
  }
  // A tool may have nothing to return, and a model nothing to say beside its calls.
  const calls: unknown = tool_calls;
  const mayBeLeftOut = role === 'tool' || (role === 'assistant' && Array.isArray(calls) && calls.length > 0);
  if (isEmptyMessage(message) || (mayBeLeftOut && hasNoContent(content))) return null;
  const contentPath = [...path, 'content'];
  if (typeof content === 'string') return lengthProblem(contentPath, content, maxBytes);
  if (Array.isArray(content)) return partsProblem(contentPath, content as readonly ContentPart[], role);
  return { path: contentPath, code: 'wrong-type', message: 'must be a string or a list of parts' };
}

/** Whatever else a provider may read (sounds, files) it also charges for, and a reservation knows nothing of that. */
function partsProblem(path: ProblemPath, parts: readonly ContentPart[], role: ChatMessage['role']): Problem | null {
  if (parts.length === 0) {
    return { path, code: 'too-few', message: 'must be a string or a list of parts, each with a type', limit: 1 };
  }
  const accepted = partTypes.filter((type) => type !== 'refusal' || role === 'assistant');
  const index = parts.findIndex((part) => !accepted.includes(part?.type));
  if (index === -1) return null;
  const type: unknown = parts[index]?.type;
  const found = type === undefined ? 'missing' : valueInWords(type);
  const message = `must be one of ${accepted.join(', ')}, not ${found}`;
  return { path: [...path, index, 'type'], code: type === undefined ? 'missing' : 'wrong-value', message };
}

/** What is wrong with the contents of parts, or null: their length, and the addresses of their images. */
function partContentsProblem(
  path: ProblemPath,
  messages: readonly ChatMessage[] | undefined,
  maxBytes: number,
): Problem | null {
  for (const [index, { content }] of (messages ?? []).entries()) {
    if (typeof content === 'string' || !Array.isArray(content)) continue;
    const contentPath = [...path, index, 'content'];
    const parts = content as readonly ContentPart[];
    const misplaced = parts.findIndex((part) => part.type === 'image_url' && !isImageUrl(imageUrlOf(part)));
    if (misplaced !== -1) return imageUrlProblem([...contentPath, misplaced, 'image_url', 'url']);
    const tooLong = overLimit(contentPath, 'too-long', ['has', partsLength(parts), 'bytes'], maxBytes);
    if (tooLong !== null) return tooLong;
  }
  return null;
}

/** Providers fetch images: they must not be led to addresses other than the web's, or over a connection without TLS. */
function isImageUrl(url: unknown): boolean {
  if (typeof url !== 'string') return false;
  return imageIdIn(url) !== null || /^(https:\/\/[^\s/]|data:image\/[a-z0-9.+-]+(;[^,]{0,180})?;base64,.)/i.test(url);
}

function imageUrlProblem(path: ProblemPath): Problem {
  const message = 'must begin with https://, or be a data URL of an image in base64: data:image/png;base64,…';
  return { path, code: 'wrong-value', message };
}

function modelProblem(model: unknown): Problem | null {
  if (typeof model !== 'string') return null;
  return overLimit(['model'], 'too-long', ['has', model.length, 'characters'], limits.maxModelLength);
}

function fallbacksProblem(fallbacks: unknown): Problem | null {
  if (fallbacks === undefined) return null;
  const path = ['fallbacks'];
  const areNames = Array.isArray(fallbacks) && fallbacks.every((name) => typeof name === 'string');
  if (!areNames) return { path, code: 'wrong-type', message: 'must be a list of strings' };
  if (fallbacks.length <= limits.maxFallbacks) return null;
  const message = `has ${fallbacks.length} models, and may have ${limits.maxFallbacks}`;
  return { path, code: 'too-many', message, limit: limits.maxFallbacks };
}

function choiceProblem(path: ProblemPath, value: unknown, choices: readonly string[]): Problem | null {
  if (value === undefined || (choices as readonly unknown[]).includes(value)) return null;
  return { path, code: 'wrong-value', message: `must be one of ${choices.join(', ')}, not ${valueInWords(value)}` };
}
