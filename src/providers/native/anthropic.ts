import type { JSONObject, SharedV3ProviderOptions } from '@ai-sdk/provider';
import type { CompletionRequest } from '../../contract/provider';
import { fieldsOf } from '../../domain/fields-of';
import { modelListSchema } from '../response-schemas';
import { thoughtsIn } from './carried-thoughts';
import type { NativeKind } from './kind';

/** Anthropic's Messages API. */
export const anthropic: NativeKind = {
  async load() {
    const { createAnthropic } = await import('@ai-sdk/anthropic');
    // `authorize` replaces the place-holder, without which the SDK would look for a key in the environment.
    return ({ settings, model, fetch }) =>
      createAnthropic({ baseURL: settings.baseUrl, apiKey: 'unused', fetch }).languageModel(model);
  },

  authorize: (apiKey) => ({ 'x-api-key': apiKey }),

  optionsFor(request) {
    const options = anthropicOptions(request);
    // The SDK adds the budget for thinking to the limit, which was reserved for both together.
    const budget = fieldsOf(options['thinking'])['budgetTokens'];
    return {
      providerOptions: { anthropic: options },
      ...(typeof budget === 'number' && { maxOutputTokens: request.maxTokens - budget }),
    };
  },

  listModels: {
    path: '/models?limit=1000',
    headers: { 'anthropic-version': '2023-06-01' },
    read: (body) => modelListSchema.safeParse(body).data?.data.map(({ id }) => id),
  },

  opening: 'event: ping\ndata: {"type":"ping"}\n\n',

  /** "New event types may be added", says the documentation; those that carry an answer are known. */
  ignores(event) {
    const { type } = fieldsOf(event);
    return typeof type === 'string' && !/^(message|content_block)_|^error$/.test(type);
  },

  /** The model would go on if it were asked to: without that, its answer is cut. */
  finishReason: (raw) => (raw === 'pause_turn' ? 'length' : null),

  startsWithUser: true,

  /** For five minutes, whatever a caller asks for: an hour costs more than the price that is known. */
  cachePoint: { anthropic: { cacheControl: { type: 'ephemeral' } } },

  carrier: {
    name: 'anthropic',
    thoughtOf(metadata) {
      const { signature, redactedData } = fieldsOf(metadata?.['anthropic']);
      if (typeof redactedData === 'string') return { redacted: redactedData };
      return typeof signature === 'string' ? { signature } : undefined;
    },
    metadataOf({ signature, redacted }): SharedV3ProviderOptions {
      return { anthropic: redacted === undefined ? { signature: signature ?? '' } : { redactedData: redacted } };
    },
  },
};

function anthropicOptions(request: CompletionRequest): JSONObject {
  const { parallel_tool_calls: isParallel } = request.options ?? {};
  return {
    ...(isParallel === false && { disableParallelToolUse: true }),
    ...thinkingOptions(request, 'anthropic'),
  };
}

/** These decide themselves how much they think, and newer ones refuse a budget. */
const adaptiveModels = /claude-((opus|sonnet|haiku)-4-[6-9]|[a-z]+-[5-9])(?!\d)/;

/** Anthropic refuses a smaller budget. */
const minThinkingTokens = 1_024;

/** The share of the limit that a model may think, by `reasoning_effort`. */
const shares: Readonly<Record<string, number>> = {
  minimal: 0.1,
  low: 0.2,
  medium: 0.5,
  high: 0.8,
  xhigh: 0.9,
  max: 0.9,
};

const efforts: Readonly<Record<string, string>> = { minimal: 'low' };

/**
 * What a request says about thinking, in any of the usual ways. A model does not think where Anthropic refuses it: when it has
 * to call a tool, and when the thoughts before its last calls are not known.
 */
export function thinkingOptions(request: CompletionRequest, carrier: string): JSONObject {
  const { thinking, reasoning_effort, reasoning, tool_choice: choice } = request.options ?? {};
  const { type, budget_tokens: budget } = fieldsOf(thinking);
  const asked = reasoning_effort ?? fieldsOf(reasoning)['effort'];
  const effort = typeof asked === 'string' && asked in shares ? asked : null;
  if (type === 'disabled' || asked === 'none') return { thinking: { type: 'disabled' } };
  if (type !== 'enabled' && type !== 'adaptive' && effort === null) return {};
  const isForced = choice === 'required' || typeof fieldsOf(choice)['type'] === 'string';
  if (isForced || hasUnknownThoughts(request, carrier)) return {};
  if (adaptiveModels.test(request.model)) {
    return { thinking: { type: 'adaptive' }, ...(effort !== null && { effort: efforts[effort] ?? effort }) };
  }
  const named = budget ?? fieldsOf(reasoning)['max_tokens'];
  const wanted =
    typeof named === 'number' ? named : Math.floor(request.maxTokens * (shares[effort ?? 'medium'] ?? 0.5));
  // At least one token has to remain for the answer.
  const budgetTokens = Math.min(Math.max(wanted, minThinkingTokens), request.maxTokens - 1);
  return budgetTokens < minThinkingTokens ? {} : { thinking: { type: 'enabled', budgetTokens } };
}

/** The model is to go on from calls that another model made, or whose thoughts the caller has not kept. */
function hasUnknownThoughts({ messages }: CompletionRequest, carrier: string): boolean {
  if (messages.at(-1)?.role !== 'tool') return false;
  const calling = messages.findLast(({ role }) => role === 'assistant');
  return thoughtsIn(carrier, calling?.tool_calls ?? []).length === 0;
}
