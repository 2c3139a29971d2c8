import type { ChatMessage } from '../contract/chat';
import type { RequestRules } from '../contract/policy';
import type { CompletionRequest } from '../contract/provider';
import type { ExchangeRequest } from './exchange';

const protectedFields: ReadonlySet<string> = new Set([
  // A request has these of its own, or does without them.
  'temperature',
  'stream',
  // Rejected by providers unless a stream is requested.
  'stream_options',
  // The newer name of `max_tokens` would override its limit.
  'max_completion_tokens',
  // Only one answer is reserved, and each additional one is charged.
  'n',
  'best_of',
  // These change the price or add a fee.
  'service_tier',
  'web_search_options',
]);

/** The request for a completion. Options cannot override the fields that cost and delivery depend on. */
export function completionCall(request: CompletionRequest, path: string): ExchangeRequest {
  const { model, messages, temperature, maxTokens, requestId, timeoutMs, signal, stream, options, rules } = request;
  const fields = {
    ...Object.fromEntries(Object.entries(options ?? {}).filter(([field]) => !protectedFields.has(field))),
    model,
    messages: rules === undefined ? messages : messages.map((message) => inRole(message, rules)),
    ...(temperature !== undefined && { temperature }),
    max_tokens: maxTokens,
    ...(stream !== undefined && { stream: true, stream_options: { include_usage: true } }),
  };
  const body = rules === undefined ? fields : applyRules(fields, rules);
  return {
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json', 'x-request-id': requestId },
    body: JSON.stringify(body),
    timeoutMs,
    signal,
  };
}

function inRole(message: ChatMessage, { developer }: RequestRules): ChatMessage {
  return message.role === 'developer' ? { ...message, role: developer } : message;
}

type Fields = Readonly<Record<string, unknown>>;

/** A field under its new name replaces one that was passed through under that name. */
function applyRules(fields: Fields, { omit, rename, exclusive }: RequestRules): Fields {
  const refused = new Set(omit);
  for (const names of exclusive) {
    const [, ...others] = names.filter((name) => name in fields && !refused.has(name));
    for (const other of others) refused.add(other);
  }
  const kept = Object.entries(fields).filter(([field]) => !refused.has(field));
  const unchanged = kept.filter(([field]) => !Object.hasOwn(rename, field));
  const renamed = kept.flatMap(([field, value]) => (Object.hasOwn(rename, field) ? [[rename[field], value]] : []));
  return Object.fromEntries([...unchanged, ...renamed]) as Fields;
}
