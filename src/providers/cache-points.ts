import type { ChatMessage, ContentPart } from '../contract/chat';
import { fieldsOf } from '../domain/fields-of';

const field = 'cache_control';

/** These models' caches end where a caller marks it, through OpenRouter and the like, too. */
const modelsWithMarks = /claude|gemini|qwen/i;

/** Strict providers refuse fields that they do not know. All other models cache, if they do, without a mark. */
export function takesCachePoints(model: string): boolean {
  return modelsWithMarks.test(model);
}

export function messageWithoutCachePoints(message: ChatMessage): ChatMessage {
  const { content } = message;
  if (!Array.isArray(content) || !content.some((part) => field in part)) return message;
  return { ...message, content: (content as readonly ContentPart[]).map((part) => without(part) as ContentPart) };
}

export function toolsWithoutCachePoints(tools: unknown): unknown {
  return Array.isArray(tools) ? tools.map(without) : tools;
}

function without(value: unknown): unknown {
  const { [field]: _mark, ...rest } = fieldsOf(value);
  return rest;
}
