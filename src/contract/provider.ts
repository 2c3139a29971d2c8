import type { ChatMessage, ToolCall } from './chat';
import type { CallFailure } from './failures';
import type { StreamLimits } from './policy';

export interface CompletionRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly temperature: number;
  readonly maxTokens: number;
  /** Sent as `x-request-id`, so that the provider's log can be joined with the ledger: `{turnId}.{attempt}`. */
  readonly requestId: string;
  /** Further fields of the request, as they are: `tools`, `response_format`, … None takes the place of a field above. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** The whole call, from connecting to the last byte. */
  readonly timeoutMs: number;
  /** Asks for a stream; left out: for one whole answer. */
  readonly stream?: StreamRequest;
  readonly signal?: AbortSignal;
}

export interface StreamRequest {
  /**
   * Each ends the call as `timeout` that is not retryable: a target that is silent or stands still is not asked again.
   * `totalMs` does not count: `timeoutMs` of the request does.
   */
  readonly limits: StreamLimits;
  /** Hears the answer's text as it comes; all of it at once from a provider that does not stream. Must not throw. */
  readonly onText: (text: string) => void;
}

/** What a provider says that a call used, as it says it: of the right names, and nothing else of it is believed yet. */
export interface ClaimedUsage {
  readonly promptTokens: unknown;
  /** A count of no more than the prompt tokens, whatever was said: it can only lower the price, so it makes no claim untrue. */
  readonly cachedPromptTokens: number;
  readonly completionTokens: unknown;
}

export type CompletionResult =
  | {
      readonly kind: 'completed';
      readonly content: string;
      /** Why the model does not answer, in its own words; `content` is then mostly empty. */
      readonly refusal?: string;
      readonly toolCalls?: readonly ToolCall[];
      /** The model that the provider says answered. */
      readonly model: string;
      readonly finishReason: string | null;
      /** As the provider says it; null when it did not say. */
      readonly usage: ClaimedUsage | null;
      readonly latencyMs: number;
    }
  | {
      readonly kind: 'failed';
      readonly failure: CallFailure;
      readonly receivedBytes: boolean;
      readonly latencyMs: number;
    };

/** An OpenAI-compatible provider. Methods never throw for anything a provider can do. */
export interface Provider {
  readonly name: string;
  complete(request: CompletionRequest): Promise<CompletionResult>;
  /** `GET /models`. */
  listModels(
    timeoutMs: number,
  ): Promise<
    | { readonly kind: 'listed'; readonly status: number; readonly models: readonly string[] }
    | { readonly kind: 'failed'; readonly failure: CallFailure }
  >;
  close(): Promise<void>;
}

/** Where a provider is. The key is read through a function, so that a rotated key is found and no object holds it. */
export interface ProviderSettings {
  readonly name: string;
  /** Up to and including `/v1`. */
  readonly baseUrl: string;
  /** `refresh` re-reads the source after a 401. Undefined: no key is sent. */
  readonly readApiKey: (options: { readonly refresh: boolean }) => string | undefined;
  /** Connections kept to the provider. */
  readonly maxConnections: number;
  readonly maxResponseBytes: number;
}
