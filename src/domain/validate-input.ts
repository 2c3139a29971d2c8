import type { ChatMessage, SamplingOptions } from '../contract/chat';
import { replyLanguages } from '../contract/chat';
import { limits } from '../contract/limits';
import { utf8Length } from './text';

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
  readonly idleTimeoutMs?: number;
}): string | null {
  const { sessionId, systemPrompt, idleTimeoutMs } = input;
  if (idleTimeoutMs !== undefined && !(Number.isInteger(idleTimeoutMs) && idleTimeoutMs >= limits.minIdleTimeoutMs)) {
    return `idleTimeoutMs must be a whole number of at least ${limits.minIdleTimeoutMs}, not ${String(idleTimeoutMs)}`;
  }
  return (
    idProblem('sessionId', sessionId) ??
    (systemPrompt === undefined ? null : contentProblem('systemPrompt', systemPrompt))
  );
}

/** What is wrong with a message for a conversation, or null. The same rules hold in the client and in the workflow. */
export function sendMessageProblem(input: {
  readonly turnId: unknown;
  readonly content: unknown;
  readonly userId?: unknown;
  readonly language?: unknown;
  readonly temperature?: number;
  readonly maxTokens?: number;
}): string | null {
  return (
    idProblem('turnId', input.turnId) ??
    contentProblem('content', input.content) ??
    (input.userId === undefined ? null : idProblem('userId', input.userId)) ??
    languageProblem(input.language) ??
    samplingProblem(input)
  );
}

/** What is wrong with a request that brings its own history, or null. */
export function chatTurnProblem(input: {
  readonly turnId: unknown;
  readonly messages: readonly ChatMessage[];
  readonly sessionId?: unknown;
  readonly userId?: unknown;
  readonly language?: unknown;
  readonly temperature?: number;
  readonly maxTokens?: number;
}): string | null {
  if (!Array.isArray(input.messages) || input.messages.length === 0) return 'messages must hold at least one message';
  for (const [index, message] of input.messages.entries()) {
    if (!['system', 'user', 'assistant'].includes(message?.role)) {
      return `messages[${index}].role must be system, user or assistant`;
    }
    const problem = contentProblem(`messages[${index}].content`, message.content);
    if (problem !== null) return problem;
  }
  const bytes = input.messages.reduce((sum, message) => sum + utf8Length(message.content), 0);
  if (bytes > limits.maxRequestBytes)
    return `messages have ${bytes} bytes in all, the limit is ${limits.maxRequestBytes}`;
  return (
    idProblem('turnId', input.turnId) ??
    (input.sessionId === undefined ? null : idProblem('sessionId', input.sessionId)) ??
    (input.userId === undefined ? null : idProblem('userId', input.userId)) ??
    languageProblem(input.language) ??
    samplingProblem(input)
  );
}

function languageProblem(language: unknown): string | null {
  if (language === undefined || (replyLanguages as readonly unknown[]).includes(language)) return null;
  return `language must be one of ${replyLanguages.join(', ')}, not ${JSON.stringify(language)}`;
}
