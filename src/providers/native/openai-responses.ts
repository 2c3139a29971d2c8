import type { JSONObject } from '@ai-sdk/provider';
import type { CompletionRequest } from '../../contract/provider';
import { fieldsOf } from '../../domain/fields-of';
import { modelListSchema } from '../response-schemas';
import type { NativeKind } from './kind';

/** OpenAI's Responses API, which some models are only offered by. */
export const openaiResponses: NativeKind = {
  async load() {
    const { createOpenAI } = await import('@ai-sdk/openai');
    // `authorize` replaces the place-holder, without which the SDK would look for a key in the environment.
    return ({ settings, model, fetch }) =>
      createOpenAI({ baseURL: settings.baseUrl, apiKey: 'unused', fetch }).responses(model);
  },
  authorize: (apiKey) => ({ authorization: `Bearer ${apiKey}` }),
  ...responsesOf('openai'),
};

/** Azure OpenAI: the same API under `https://….openai.azure.com/openai/v1`, where a model is the name of a deployment. */
export const azure: NativeKind = {
  async load() {
    const { createAzure } = await import('@ai-sdk/azure');
    return ({ settings, model, fetch }) =>
      createAzure({ baseURL: settings.baseUrl, apiKey: 'unused', fetch }).responses(model);
  },
  authorize: (apiKey) => ({ 'api-key': apiKey }),
  ...responsesOf('azure'),
};

function responsesOf(name: 'openai' | 'azure'): Omit<NativeKind, 'load' | 'authorize'> {
  return {
    optionsFor: (request) => ({ providerOptions: { [name]: responsesOptions(request) } }),

    listModels: {
      path: '/models',
      headers: {},
      read: (body) => modelListSchema.safeParse(body).data?.data.map(({ id }) => id),
    },

    isLast: (event) => /^response\.(completed|incomplete)$/.test(String(fieldsOf(event)['type'])),

    carrier: {
      name,
      thoughtOf(metadata) {
        const { itemId: id, reasoningEncryptedContent: redacted } = fieldsOf(metadata?.[name]);
        return typeof redacted === 'string' && typeof id === 'string' ? { redacted, id } : undefined;
      },
      metadataOf: ({ redacted, id }) => ({
        [name]: { reasoningEncryptedContent: redacted ?? null, ...(id !== undefined && { itemId: id }) },
      }),
    },
  };
}

/** Nothing of a conversation stays at the provider; the thoughts that a model needs back come encrypted instead. */
function responsesOptions({ options }: CompletionRequest): JSONObject {
  const { parallel_tool_calls, reasoning_effort, reasoning, verbosity, response_format } = options ?? {};
  const effort = reasoning_effort ?? fieldsOf(reasoning)['effort'];
  const { strict } = fieldsOf(fieldsOf(response_format)['json_schema']);
  return {
    store: false,
    ...(typeof parallel_tool_calls === 'boolean' && { parallelToolCalls: parallel_tool_calls }),
    ...(typeof effort === 'string' && { reasoningEffort: effort }),
    ...(typeof verbosity === 'string' && { textVerbosity: verbosity }),
    // OpenAI's own default; the SDK's is the opposite.
    strictJsonSchema: strict === true,
  };
}
