import type { LanguageModelV3, SharedV3ProviderOptions } from '@ai-sdk/provider';
import type { CompletionRequest, ProviderSettings } from '../../contract/provider';
import type { CarriedThought } from './carried-thoughts';

/** What a model is made from. Its SDK reads neither the environment nor a key: `authorize` adds the key to each request. */
export interface ModelSource {
  readonly settings: ProviderSettings;
  readonly model: string;
  /** Sends a request over our own connections. */
  readonly fetch: typeof fetch;
}

/** What an answer said in a part, for a kind that needs something of it back. */
type ProviderMetadata = SharedV3ProviderOptions | undefined;

/** What is particular to one kind of provider; the rest is the same for all. */
export interface NativeKind {
  /** Loads the kind's SDK, which takes time and memory that only those who use it should spend. */
  load(): Promise<(source: ModelSource) => LanguageModelV3>;
  /** The headers that carry a key. */
  authorize(apiKey: string): Readonly<Record<string, string>>;
  /** How a request asks the model to think, and what else it says in its own way. */
  optionsFor(request: CompletionRequest): KindOptions;
  /** The headers of a request for the list of models; null: the provider has none. */
  readonly listModels: ModelListing | null;
  /** What a stream is begun with, for a kind whose SDK gives up if it cannot read the first event. */
  readonly opening?: string;
  /** Whether an event of a stream that the SDK cannot read may be passed over. */
  ignores?(event: unknown): boolean;
  /** Whether an event of a stream seems to be the last of the answer, for a kind whose SDK waits for the end of the body. */
  isLast?(event: unknown): boolean;
  /** The body of an error, if an event of a stream is one that the SDK reports without saying which, or not at all. */
  errorIn?(event: unknown): unknown;
  readonly carrier: Carrier;
  /** The finish reason in OpenAI's terms, if it is not the SDK's. */
  finishReason?(raw: string | undefined): string | null;
  /** Marks the end of what a caller wants to be cached, with `cache_control` on a part of a message or a tool. */
  readonly cachePoint?: SharedV3ProviderOptions;
  /** The conversation has to start with a user's message. */
  readonly startsWithUser?: boolean;
}

interface KindOptions {
  readonly providerOptions?: SharedV3ProviderOptions;
  /** In place of the request's own. */
  readonly maxOutputTokens?: number;
}

interface ModelListing {
  /** Below the base address. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined if the body is no list. */
  read(body: unknown): readonly string[] | undefined;
}

/** How what the model needs back travels through the caller's history: under this name in the first tool call. */
interface Carrier {
  readonly name: string;
  /** What has to be kept of a part of an answer; undefined: nothing. */
  thoughtOf(metadata: ProviderMetadata): Omit<CarriedThought, 'text'> | undefined;
  /** The other way round. */
  metadataOf(thought: CarriedThought): SharedV3ProviderOptions;
  /** What has to be kept of a call, for a kind that signs calls; it travels in the call itself. */
  fieldsOfCall?(metadata: ProviderMetadata): Readonly<Record<string, string>> | undefined;
  /** The other way round; callers send the history, so nothing in it is taken for granted. */
  metadataOfCall?(fields: Readonly<Record<string, unknown>>): SharedV3ProviderOptions | undefined;
}
