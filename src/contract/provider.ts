import type { ChatMessage, ToolCall } from './chat';
import type { CallFailure } from './failures';
import type { Operation } from './operations';
import type { RequestRules, StreamLimits } from './policy';

export interface CompletionRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  /** Omitted: none is sent. */
  readonly temperature?: number;
  readonly maxTokens: number;
  /** Sent as `x-request-id`, so that the provider's logs can be matched to the ledger: `{turnId}.{attempt}`. */
  readonly requestId: string;
  /** Of the span of this call; sent only to providers that are configured to get it. */
  readonly traceparent?: string;
  /** Further fields of the request, sent unchanged: `tools`, `response_format`, … They never override a field above. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** How the target takes a request; omitted: as it is. */
  readonly rules?: RequestRules;
  /** For the whole call, from connecting to the last byte. */
  readonly timeoutMs: number;
  /** Requests a stream; omitted: one whole response. */
  readonly stream?: StreamRequest;
  readonly signal?: AbortSignal;
}

/** A call for vectors or a moderation. */
export interface OperationRequest extends Pick<
  CompletionRequest,
  'model' | 'requestId' | 'traceparent' | 'timeoutMs' | 'signal'
> {
  readonly operation: Operation;
  /** `input` and whatever else the caller sent. */
  readonly options: Readonly<Record<string, unknown>>;
}

export interface StreamRequest {
  /**
   * Exceeding one ends the call with a `timeout` that is not retryable: a target that is silent or has stalled is not
   * called again. `totalMs` is ignored here; the request's `timeoutMs` applies.
   */
  readonly limits: StreamLimits;
  /** Receives the answer's text as it arrives; all at once from a provider that does not stream. Must not throw. */
  readonly onText: (text: string) => void;
}

/** The usage that a provider reports for a call, not validated yet: only the field names are known. */
export interface ReportedUsage {
  readonly promptTokens: unknown;
  /** Clamped to 0…prompt tokens, whatever was reported: cached tokens can only lower the price. */
  readonly cachedPromptTokens: number;
  readonly completionTokens: unknown;
  /** Some providers leave the tokens of the model's reasoning out of the completion tokens, but not out of the total. */
  readonly totalTokens?: unknown;
  /** Prompt tokens that were written to a cache, which may cost more; limited like the cached ones. */
  readonly cacheWriteTokens?: number;
  /** The tokens of the model's reasoning, which most providers include in the completion tokens. */
  readonly reasoningTokens?: unknown;
}

export type CompletionResult =
  | {
      readonly kind: 'completed';
      readonly content: string;
      /** The model's own explanation for not answering; `content` is then usually empty. */
      readonly refusal?: string;
      readonly toolCalls?: readonly ToolCall[];
      /** What the model thought before it answered. A provider may want to have it back beside the tool calls. */
      readonly thoughts?: string;
      /** The model that answered, according to the provider. */
      readonly model: string;
      readonly finishReason: string | null;
      /** As reported by the provider; null when it reported none. */
      readonly usage: ReportedUsage | null;
      readonly latencyMs: number;
      /** Of a stream: from the start of the call to the first token. null: none came. */
      readonly firstTokenMs?: number | null;
    }
  | {
      readonly kind: 'failed';
      readonly failure: CallFailure;
      /** What the provider reported of an answer that it gave, but that is none. */
      readonly usage?: ReportedUsage | null;
      /** It said or thought something, so it cannot have cost nothing. */
      readonly hasSpoken?: boolean;
      readonly receivedBytes: boolean;
      readonly latencyMs: number;
      /** Of a stream: from the start of the call to the first token. null: none came. */
      readonly firstTokenMs?: number | null;
    };

/** A provider of any kind. Its methods never throw, whatever the provider does. */
export interface Provider {
  readonly name: string;
  /** Where it is called. */
  readonly server?: { readonly address: string; readonly port: number };
  complete(request: CompletionRequest): Promise<CompletionResult>;
  /**
   * Absent: this kind of provider has none. The answer's content is vectors in base64 with spaces between them, or the
   * results of a moderation as JSON.
   */
  runOperation?(request: OperationRequest): Promise<CompletionResult>;
  /** `GET /models`. */
  listModels(
    timeoutMs: number,
  ): Promise<
    | { readonly kind: 'listed'; readonly status: number; readonly models: readonly string[] }
    | { readonly kind: 'failed'; readonly failure: CallFailure }
  >;
  close(): Promise<void>;
}

/** The formats in which providers are called. */
export const providerKinds = [
  'openai-compatible',
  'anthropic',
  'google',
  'openai-responses',
  'azure',
  'bedrock',
] as const;
export type ProviderKind = (typeof providerKinds)[number];

/** How to reach a provider. The key is read through a function, so that key rotation works and no object holds the key. */
export interface ProviderSettings {
  readonly name: string;
  /** Default: `openai-compatible`. */
  readonly kind?: ProviderKind;
  /** Up to and including `/v1`. */
  readonly baseUrl: string;
  /** `refresh` rereads the source after a 401. Undefined: no key is sent. */
  readonly readApiKey: (options: { readonly refresh: boolean }) => string | undefined;
  /** Size of the connection pool. */
  readonly maxConnections: number;
  readonly maxResponseBytes: number;
  /** Sends the `traceparent` of each call along. Default: false, because it tells which calls belong together. */
  readonly sendTraceparent?: boolean;
}
