import {
  type ChatMessage,
  chatRoles,
  type ChatTurnInput,
  type ContentPart,
  deliveries,
  partTypes,
  replyLanguages,
  type SamplingOptions,
  type SendMessageInput,
} from '../../contract/chat';
import { limits } from '../../contract/limits';
import { isEmptyMessage, measuredText, utf8Length } from './messages';

/** Ids become parts of workflow ids and keys of the ledger: visible characters, no spaces. */
const idPattern = /^[\x21-\x7e]+$/;

/** Returns what is wrong with an id, naming the field and the limit; null when nothing is. */
export function idProblem(field: string, value: unknown): string | null {
  if (typeof value !== 'string' || value.length === 0) return `${field} must be a non-empty string`;
  if (value.length > limits.maxIdLength)
    return `${field} has ${value.length} characters, the limit is ${limits.maxIdLength}`;
  if (!idPattern.test(value)) return `${field} may hold visible ASCII characters only, without spaces`;
  return null;
}

function contentProblem(field: string, value: unknown, maxBytes: number = limits.maxMessageBytes): string | null {
  if (typeof value !== 'string' || value.trim().length === 0) return `${field} must be a non-empty string`;
  const bytes = utf8Length(value);
  return bytes > maxBytes ? `${field} has ${bytes} bytes, the limit is ${maxBytes}` : null;
}

function samplingProblem(options: SamplingOptions): string | null {
  const { temperature, maxTokens } = options;
  if (temperature !== undefined && !(typeof temperature === 'number' && temperature >= 0 && temperature <= 2)) {
    return `temperature must be a number from 0 to 2, not ${String(temperature)}`;
  }
  if (maxTokens !== undefined && !(Number.isInteger(maxTokens) && maxTokens >= 1)) {
    return `maxTokens must be a whole number of at least 1, not ${String(maxTokens)}`;
  }
  return null;
}

/** What is wrong with the start of a conversation, or null. */
export function conversationProblem(input: {
  readonly sessionId: unknown;
  readonly systemPrompt?: unknown;
  readonly history?: readonly ChatMessage[];
  readonly idleTimeoutMs?: number;
}): string | null {
  const { sessionId, systemPrompt, history, idleTimeoutMs } = input;
  if (idleTimeoutMs !== undefined && !(Number.isInteger(idleTimeoutMs) && idleTimeoutMs >= limits.minIdleTimeoutMs)) {
    return `idleTimeoutMs must be a whole number of at least ${limits.minIdleTimeoutMs}, not ${String(idleTimeoutMs)}`;
  }
  return (
    idProblem('sessionId', sessionId) ??
    (systemPrompt === undefined ? null : contentProblem('systemPrompt', systemPrompt)) ??
    (history === undefined ? null : historyProblem(history))
  );
}

function historyProblem(history: readonly ChatMessage[]): string | null {
  if (!Array.isArray(history)) return 'history must be a list of messages';
  let bytes = 0;
  for (const [index, message] of (history as readonly ChatMessage[]).entries()) {
    const problem =
      messageProblem(`history[${index}]`, message, limits.maxHistoryBytes) ??
      toolCallsProblem(`history[${index}].tool_calls`, message.tool_calls);
    if (problem !== null) return problem;
    bytes += utf8Length(measuredText(message));
  }
  return bytes > limits.maxHistoryBytes
    ? `history has ${bytes} bytes in all, the limit is ${limits.maxHistoryBytes}`
    : null;
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
}): string | null {
  const tools: unknown = (modelOptions as { readonly tools?: unknown } | null | undefined)?.tools;
  return (
    (Array.isArray(messages) ? messageListProblem(messages) : null) ??
    (Array.isArray(tools) ? lengthProblem('tools', 'entries', tools.length, limits.maxTools) : null)
  );
}

function messageListProblem(messages: readonly ChatMessage[]): string | null {
  const tooMany = lengthProblem('messages', 'entries', messages.length, limits.maxMessages);
  if (tooMany !== null) return tooMany;
  let parts = 0;
  let calls = 0;
  for (const [index, message] of messages.entries()) {
    const { content, tool_calls = null } = message ?? {};
    const problem = toolCallsProblem(`messages[${index}].tool_calls`, tool_calls);
    if (problem !== null) return problem;
    parts += Array.isArray(content) ? content.length : 0;
    calls += tool_calls?.length ?? 0;
  }
  return (
    lengthProblem('messages', 'parts in all', parts, limits.maxParts) ??
    lengthProblem('messages', 'tool_calls in all', calls, limits.maxToolCalls)
  );
}

function lengthProblem(field: string, what: string, count: number, limit: number): string | null {
  return count > limit ? `${field} have ${count} ${what}, the limit is ${limit}` : null;
}

/** They are looked for by their ids, and whoever looks would stumble over what is no object. */
function toolCallsProblem(field: string, calls: unknown): string | null {
  if (calls === undefined || calls === null) return null;
  if (!Array.isArray(calls)) return `${field} must be a list of calls`;
  const index = calls.findIndex((call) => typeof call !== 'object' || call === null);
  return index === -1 ? null : `${field}[${index}] must be an object with an id`;
}

type Unchecked<Input> = { readonly [Field in keyof Input]: unknown };

/** What is wrong with a message for a conversation, or null. The same rules hold in the client and in the workflow. */
export function sendMessageProblem(
  input: Partial<Unchecked<SendMessageInput>> & SamplingOptions & Pick<SendMessageInput, 'messages'>,
): string | null {
  return (
    idProblem('turnId', input.turnId) ??
    listsProblem(input) ??
    (input.messages === undefined
      ? contentProblem('content', input.content)
      : messagesProblem(input.messages, input.modelOptions, limits.maxMessageBytes)) ??
    requestProblem(input)
  );
}

type CheckedChatTurn = Partial<Unchecked<ChatTurnInput>> & SamplingOptions & Pick<ChatTurnInput, 'messages'>;

/** What is wrong with a request that brings its own history, or null. */
export function chatTurnProblem(input: CheckedChatTurn): string | null {
  return listsProblem(input) ?? chatTurnFieldsProblem(input);
}

/** The same but for the lists, whose limits are younger: a workflow that is replayed may have begun without them. */
export function chatTurnFieldsProblem(input: CheckedChatTurn): string | null {
  // Who keeps a window of its own also knows how long one message may be.
  const maxMessageBytes = input.keepAllMessages === true ? limits.maxRequestBytes : limits.maxMessageBytes;
  return (
    messagesProblem(input.messages, input.modelOptions, maxMessageBytes) ??
    idProblem('turnId', input.turnId) ??
    (input.sessionId === undefined ? null : idProblem('sessionId', input.sessionId)) ??
    requestProblem(input)
  );
}

function requestProblem(
  input: SamplingOptions & {
    readonly userId?: unknown;
    readonly keyId?: unknown;
    readonly requestHash?: unknown;
    readonly language?: unknown;
    readonly delivery?: unknown;
    readonly model?: unknown;
    readonly modelOptions?: unknown;
  },
): string | null {
  const { delivery, model, modelOptions } = input;
  if (modelOptions !== undefined && (typeof modelOptions !== 'object' || modelOptions === null)) {
    return 'modelOptions must be an object';
  }
  if (delivery !== undefined && !(deliveries as readonly unknown[]).includes(delivery)) {
    return `delivery must be one of ${deliveries.join(', ')}, not ${JSON.stringify(delivery)}`;
  }
  if (model !== undefined && typeof model !== 'string') return 'model must be a string';
  return (
    (input.userId === undefined ? null : idProblem('userId', input.userId)) ??
    (input.keyId === undefined ? null : idProblem('keyId', input.keyId)) ??
    (input.requestHash === undefined ? null : idProblem('requestHash', input.requestHash)) ??
    languageProblem(input.language) ??
    samplingProblem(input)
  );
}

function messagesProblem(
  messages: readonly ChatMessage[],
  modelOptions: unknown,
  maxMessageBytes: number,
): string | null {
  if (!Array.isArray(messages) || messages.length === 0) return 'messages must hold at least one message';
  let bytes = modelOptions === undefined ? 0 : utf8Length(JSON.stringify(modelOptions));
  for (const [index, message] of (messages as readonly ChatMessage[]).entries()) {
    const problem = messageProblem(`messages[${index}]`, message, maxMessageBytes);
    if (problem !== null) return problem;
    bytes += utf8Length(measuredText(message));
  }
  if (messages.every(isEmptyMessage)) return 'messages must hold at least one message that is not empty';
  return bytes > limits.maxRequestBytes
    ? `messages have ${bytes} bytes in all, the limit is ${limits.maxRequestBytes}`
    : null;
}

function messageProblem(field: string, message: ChatMessage, maxBytes: number): string | null {
  if (!chatRoles.includes(message?.role)) return `${field}.role must be one of ${chatRoles.join(', ')}`;
  const { role, content, tool_calls, tool_call_id } = message;
  if (role === 'tool') {
    if (typeof tool_call_id !== 'string') return `${field}.tool_call_id must name the call that it answers`;
    // A tool may have nothing to say.
    if (content === '') return null;
  }
  if (isEmptyMessage(message)) return null;
  if (role === 'assistant' && (content === null || content === undefined || content === '')) {
    const calls: unknown = tool_calls;
    return Array.isArray(calls) && calls.length > 0 ? null : `${field}.content must be a non-empty string`;
  }
  if (!Array.isArray(content)) return contentProblem(`${field}.content`, content, maxBytes);
  return partsProblem(`${field}.content`, content as readonly ContentPart[], role);
}

/** Whatever else a provider may read (sounds, files) it also charges for, and a reservation knows nothing of that. */
function partsProblem(field: string, parts: readonly ContentPart[], role: ChatMessage['role']): string | null {
  if (parts.length === 0) return `${field} must be a string or a list of parts, each with a type`;
  const accepted = partTypes.filter((type) => type !== 'refusal' || role === 'assistant');
  const index = parts.findIndex((part) => !accepted.includes(part?.type));
  if (index === -1) return null;
  const { type } = parts[index] ?? {};
  return `${field}[${index}].type must be one of ${accepted.join(', ')}, not ${JSON.stringify(type) ?? 'missing'}`;
}

function languageProblem(language: unknown): string | null {
  if (language === undefined || (replyLanguages as readonly unknown[]).includes(language)) return null;
  return `language must be one of ${replyLanguages.join(', ')}, not ${JSON.stringify(language)}`;
}
