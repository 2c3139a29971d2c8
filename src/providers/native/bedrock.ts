import type { CompletionRequest } from '../../contract/provider';
import { fieldsOf } from '../../domain/fields-of';
import { thinkingOptions } from './anthropic';
import type { NativeKind } from './kind';

/** Amazon Bedrock's Converse API, with an API key as a bearer token. */
export const bedrock: NativeKind = {
  async load() {
    const { createAmazonBedrock } = await import('@ai-sdk/amazon-bedrock');
    // `authorize` replaces the place-holder, without which the SDK would look for credentials in the environment.
    return ({ settings, model, fetch }) =>
      createAmazonBedrock({ baseURL: settings.baseUrl, apiKey: 'unused', fetch }).languageModel(model);
  },

  authorize: (apiKey) => ({ authorization: `Bearer ${apiKey}` }),

  optionsFor(request) {
    const { thinking, effort } = claudeThinking(request);
    const { type, budgetTokens } = fieldsOf(thinking);
    const isParallel = request.options?.['parallel_tool_calls'];
    const reasoningConfig = {
      ...(typeof type === 'string' && type !== 'disabled' && { type }),
      ...(typeof budgetTokens === 'number' && { budgetTokens }),
      ...(typeof effort === 'string' && { maxReasoningEffort: effort }),
    };
    return {
      providerOptions: {
        bedrock: Object.keys(reasoningConfig).length > 0 ? { reasoningConfig } : {},
        anthropic: isParallel === false ? { disableParallelToolUse: true } : {},
      },
      // The SDK adds the budget for thinking to the limit, which was reserved for both together.
      ...(typeof budgetTokens === 'number' && { maxOutputTokens: request.maxTokens - budgetTokens }),
    };
  },

  // They are listed by another service, at another address.
  listModels: null,

  /** The usage follows the finish reason. The SDK waits for the end of the body. */
  isLast: (event) => fieldsOf(event)['metadata'] !== undefined,

  /** The SDK passes on the message of an exception only, and not of every one. */
  errorIn(event) {
    const [name, value] = Object.entries(fieldsOf(event)).find(([field]) => field.endsWith('Exception')) ?? [];
    return name === undefined ? undefined : { error: { type: name, message: fieldsOf(value)['message'] } };
  },

  finishReason: (raw) => finishReasons[raw ?? ''] ?? null,

  startsWithUser: true,

  cachePoint: { bedrock: { cachePoint: { type: 'default' } } },

  carrier: {
    name: 'bedrock',
    thoughtOf(metadata) {
      const { signature, redactedData, redactedContent } = fieldsOf(metadata?.['bedrock']);
      if (typeof redactedData === 'string') return { redacted: redactedData };
      if (typeof redactedContent === 'string') return { redacted: redactedContent, id: contentId };
      return typeof signature === 'string' ? { signature } : undefined;
    },
    metadataOf({ signature, redacted, id }) {
      if (redacted === undefined) return { bedrock: { signature: signature ?? '' } };
      return { bedrock: id === contentId ? { redactedContent: redacted } : { redactedData: redacted } };
    },
  },
};

/** Marks the newer of the two forms in which Bedrock encrypts thoughts. */
const contentId = 'content';

const finishReasons: Readonly<Record<string, string>> = {
  model_context_window_exceeded: 'length',
  refusal: 'content_filter',
};

function claudeThinking(request: CompletionRequest) {
  return request.model.includes('anthropic.claude') ? thinkingOptions(request, 'bedrock') : {};
}
