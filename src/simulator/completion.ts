import { replyTo } from './replies';
import { countPromptTokens, countTokens, truncateToTokens } from './tokens';

/** What is read of a `POST /chat/completions`. */
export interface CompletionCall {
  readonly model: string;
  /** Texts of the messages. */
  readonly contents: readonly string[];
  readonly lastUserContent: string;
  /** null: no limit was given. */
  readonly maxTokens: number | null;
  readonly stream: boolean;
}

/** What a model says to a call: decided before it is sent, whole or (later) in pieces. */
export interface Answer {
  readonly content: string;
  readonly finishReason: 'stop' | 'length';
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** The call, or what is wrong with the request's body. */
export function readCompletionCall(body: string): CompletionCall | { readonly invalid: string } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return { invalid: 'The body is not valid JSON.' };
  }
  if (!isRecord(parsed)) return { invalid: 'The body must be a JSON object.' };
  const { model, messages, max_tokens: maxTokens, stream } = parsed;
  if (typeof model !== 'string') return { invalid: "Missing required parameter: 'model'." };
  if (!Array.isArray(messages) || messages.length === 0) return { invalid: "Missing required parameter: 'messages'." };
  if (!messages.every(isRecord)) return { invalid: "Invalid type for 'messages': expected objects." };
  if (maxTokens !== undefined && !(Number.isInteger(maxTokens) && Number(maxTokens) > 0)) {
    return { invalid: "Invalid 'max_tokens': expected a positive integer." };
  }
  return {
    model,
    contents: messages.map((message) => textOf(message['content'])),
    lastUserContent: textOf(messages.findLast((message) => message['role'] === 'user')?.['content']),
    maxTokens: maxTokens === undefined ? null : Number(maxTokens),
    stream: stream === true,
  };
}

/** The same answer for the same call, always. */
export function answerTo(call: CompletionCall): Answer {
  const whole = replyTo(call.lastUserContent);
  const content = call.maxTokens === null ? whole : truncateToTokens(whole, call.maxTokens);
  return {
    content,
    finishReason: content === whole ? 'stop' : 'length',
    promptTokens: countPromptTokens(call.contents),
    completionTokens: countTokens(content),
  };
}

/** The body of a `chat.completion`, before it becomes JSON. */
export function completionBody(id: string, model: string, answer: Answer, cachedPromptPercent: number) {
  return {
    id: `chatcmpl-${id}`,
    object: 'chat.completion',
    created: Math.floor(Date.now() / 1000),
    model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: answer.content },
        finish_reason: answer.finishReason,
      },
    ],
    usage: {
      prompt_tokens: answer.promptTokens,
      completion_tokens: answer.completionTokens,
      total_tokens: answer.promptTokens + answer.completionTokens,
      prompt_tokens_details: { cached_tokens: Math.floor((answer.promptTokens * cachedPromptPercent) / 100) },
    },
  };
}

/** A message's content is a text or a list of parts. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part) => (isRecord(part) && typeof part['text'] === 'string' ? part['text'] : '')).join('');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
