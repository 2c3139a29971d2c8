import type { ChatMessage } from '../contract/chat';
import type { RequestRules } from '../contract/policy';
import type { CompletionRequest } from '../contract/provider';
import { carrierOptions, passableExtraBody } from '../domain/turn/model-options';
import { messageWithoutCachePoints, takesCachePoints, toolsWithoutCachePoints } from './cache-points';
import type { ExchangeRequest } from './exchange';
import { withoutCarried } from './native/carried-thoughts';

const protectedFields: ReadonlySet<string> = new Set([
  // The request sets these itself, or leaves them out.
  'temperature',
  'stream',
  // Rejected by providers unless a stream is requested.
  'stream_options',
  // Other names for `max_tokens`, which would override its limit.
  'max_completion_tokens',
  'max_output_tokens',
  'maxOutputTokens',
  'max_new_tokens',
  'max_tokens_to_sample',
  'max_gen_len',
  'max_length',
  'num_predict',
  'n_predict',
  // Only one answer is reserved for, and each additional one costs extra.
  'n',
  'best_of',
  'num_return_sequences',
  'candidate_count',
  'candidateCount',
  'use_beam_search',
  // These change the price or add a fee.
  'service_tier',
  'speed',
  'models',
  'web_search_options',
  // These could contain any of the above. The permitted part of `extra_body` is added below.
  ...carrierOptions,
  'extra_body',
]);

/** The request for a completion. Options cannot override the fields that cost and delivery depend on. */
export function completionCall(request: CompletionRequest, path: string): ExchangeRequest {
  const { model, messages, temperature, maxTokens, requestId, traceparent } = request;
  const { timeoutMs, signal, stream, options, rules } = request;
  const extraBody = passableExtraBody(options?.['extra_body']);
  const isMarked = takesCachePoints(model);
  const said = (message: ChatMessage): ChatMessage => {
    const own = withoutCarried(rules === undefined ? message : inRole(message, rules), model);
    return isMarked ? own : messageWithoutCachePoints(own);
  };
  const fields = {
    ...Object.fromEntries(Object.entries(options ?? {}).filter(([field]) => !protectedFields.has(field))),
    ...(options?.['tools'] !== undefined && !isMarked && { tools: toolsWithoutCachePoints(options['tools']) }),
    ...(extraBody !== null && { extra_body: extraBody }),
    model,
    messages: messages.map(said),
    ...(temperature !== undefined && { temperature }),
    max_tokens: maxTokens,
    ...(stream !== undefined && { stream: true, stream_options: { include_usage: true } }),
  };
  const body = rules === undefined ? fields : applyRules(fields, rules);
  return {
    method: 'POST',
    path,
    headers: {
      'content-type': 'application/json',
      'x-request-id': requestId,
      ...(traceparent !== undefined && { traceparent }),
    },
    body: JSON.stringify(body),
    timeoutMs,
    signal,
  };
}

function inRole(message: ChatMessage, { developer }: RequestRules): ChatMessage {
  return message.role === 'developer' ? { ...message, role: developer } : message;
}

type Fields = Readonly<Record<string, unknown>>;

/** A renamed field replaces one that the caller passed under the new name. */
export function applyRules(fields: Fields, { omit, rename, exclusive }: RequestRules): Fields {
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
