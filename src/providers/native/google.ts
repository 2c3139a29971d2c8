import type { JSONObject } from '@ai-sdk/provider';
import type { CompletionRequest } from '../../contract/provider';
import { fieldsOf } from '../../domain/fields-of';
import type { NativeKind } from './kind';

/** Google's Gemini API. */
export const google: NativeKind = {
  async load() {
    const { createGoogleGenerativeAI } = await import('@ai-sdk/google');
    // `authorize` replaces the place-holder, without which the SDK would look for a key in the environment.
    return ({ settings, model, fetch }) =>
      createGoogleGenerativeAI({ baseURL: settings.baseUrl, apiKey: 'unused', fetch }).languageModel(model);
  },

  authorize: (apiKey) => ({ 'x-goog-api-key': apiKey }),

  optionsFor: (request) => ({ providerOptions: { google: thinkingOptions(request) } }),

  listModels: {
    path: '/models?pageSize=1000',
    headers: {},
    read(body) {
      const { models } = fieldsOf(body);
      if (!Array.isArray(models)) return undefined;
      const names = models.map((model) => fieldsOf(model)['name']).filter((name) => typeof name === 'string');
      return names.map((name) => name.replace(/^models\//, ''));
    },
  },

  /** Some models give a finish reason in every chunk, so more may follow. */
  isLast(event) {
    const { candidates } = fieldsOf(event);
    const reason = Array.isArray(candidates) ? fieldsOf(candidates[0])['finishReason'] : undefined;
    return typeof reason === 'string' && fieldsOf(event)['usageMetadata'] !== undefined;
  },

  startsWithUser: true,

  carrier: {
    name: 'google',
    // Gemini wants back the signatures of calls, not its thoughts.
    thoughtOf: () => undefined,
    metadataOf: () => ({}),
    /** Under the name that Google's OpenAI-compatible API uses, so that the history fits both. */
    fieldsOfCall(metadata) {
      const { thoughtSignature } = fieldsOf(metadata?.['google']);
      return typeof thoughtSignature === 'string' ? { thought_signature: thoughtSignature } : undefined;
    },
    metadataOfCall({ thought_signature: signature }) {
      return typeof signature === 'string' ? { google: { thoughtSignature: signature } } : undefined;
    },
  },
};

/** Gemini 2.5 takes a budget, later models a level. */
const budgetModels = /gemini-2\.5/;

const levels: Readonly<Record<string, string>> = {
  none: 'low',
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
  max: 'high',
};

/** The share of the limit that a model may think, by `reasoning_effort`. Gemini's limit includes the thoughts. */
const shares: Readonly<Record<string, number>> = {
  minimal: 0.1,
  low: 0.2,
  medium: 0.5,
  high: 0.8,
  xhigh: 0.9,
  max: 0.9,
};

/** Gemini 2.5 Pro refuses less, and accepts no budget of zero. */
const minBudgetTokens = 128;
/** Gemini 2.5 Flash refuses more; Pro takes somewhat more. */
const maxBudgetTokens = 24_576;

function thinkingOptions({ model, options, maxTokens }: CompletionRequest): JSONObject {
  const { reasoning_effort, reasoning, thinking } = options ?? {};
  const { type, budget_tokens: budget } = fieldsOf(thinking);
  const asked = type === 'disabled' ? 'none' : (reasoning_effort ?? fieldsOf(reasoning)['effort']);
  const effort = typeof asked === 'string' && Object.hasOwn(levels, asked) ? asked : null;
  if (effort === null && type !== 'enabled') return {};
  const includeThoughts = effort !== 'none';
  if (!budgetModels.test(model)) {
    return { thinkingConfig: { includeThoughts, ...(effort !== null && { thinkingLevel: levels[effort] ?? 'low' }) } };
  }
  if (effort === 'none') return { thinkingConfig: { thinkingBudget: /pro/.test(model) ? minBudgetTokens : 0 } };
  const wanted = typeof budget === 'number' ? budget : Math.floor(maxTokens * (shares[effort ?? 'medium'] ?? 0.5));
  const thinkingBudget = Math.min(Math.max(wanted, minBudgetTokens), maxBudgetTokens);
  return { thinkingConfig: { thinkingBudget, includeThoughts } };
}
