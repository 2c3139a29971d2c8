import type { LanguageModelV3 } from '@ai-sdk/provider';
import type { CompletionRequest, ProviderSettings } from '../../contract/provider';
import { type AuthorizedExchange, authorizedExchange } from '../authorized-exchange';
import type { Connections } from '../connections';
import type { Exchange, ExchangeControl, FailureCause } from '../exchange';
import { parseJson } from '../response-schemas';
import { CollectedParts, errorBodyOf, type Part } from './collected-parts';
import type { ModelSource, NativeKind } from './kind';
import { PassingReader } from './passing-reader';
import { toCallOptions } from './to-call-options';

/** How a call ended. */
export interface NativeOutcome {
  readonly call: AuthorizedExchange;
  /** The answer in the form of a `chat.completion`, or what came in its place. */
  readonly body: unknown;
  readonly collected: CollectedParts;
  readonly firstTokenAtMs: number | null;
}

/**
 * One call through the AI SDK. The SDK writes the request and reads the answer; the connection, all limits and the meaning
 * of failures are ours, the same as for an OpenAI-compatible provider.
 */
export class NativeCall {
  private readonly collected: CollectedParts;
  private exchanged: Promise<AuthorizedExchange> | undefined;
  private reader: PassingReader | undefined;
  private control: ExchangeControl | undefined;
  private firstTokenAtMs: number | null = null;
  /** An error that was sent in place of the rest of the answer. */
  private error: { readonly body: unknown } | null = null;
  /** Why the answer is of no use; known perhaps only after the exchange has ended. */
  private fault: FailureCause | null = null;
  private untold = '';
  private hasWords = false;
  /** The event that the next part comes from. */
  private event: unknown;
  /** It seems to be the last one. */
  private isAtLast = false;

  constructor(
    private readonly kind: NativeKind,
    private readonly settings: ProviderSettings,
    private readonly connections: Connections,
    private readonly request: CompletionRequest,
  ) {
    this.collected = new CollectedParts(kind);
  }

  /** Throws only if the request cannot be put into the provider's form; then nothing was sent. */
  async run(createModel: (source: ModelSource) => LanguageModelV3): Promise<NativeOutcome> {
    const model = createModel({ settings: this.settings, model: this.request.model, fetch: this.fetch });
    try {
      if (this.request.stream === undefined) await this.generate(model);
      else await this.readStream(model);
    } catch (error) {
      if (this.exchanged === undefined) throw error;
      // What the exchange says is clearer. Where it says nothing, the SDK could not read the answer.
      const body = this.request.stream && errorBodyOf(error);
      if (body !== undefined) this.error ??= { body };
      // Nobody reads the rest.
      this.control?.finish(0);
    }
    const call = await this.exchanged;
    if (call === undefined) throw new Error('The SDK sent no request.');
    return { ...this.outcomeOf(call), collected: this.collected, firstTokenAtMs: this.firstTokenAtMs };
  }

  private outcomeOf(call: AuthorizedExchange): { readonly call: AuthorizedExchange; readonly body: unknown } {
    const { exchange } = call;
    if (this.fault !== null && exchange.kind === 'response')
      return { call: failedBy(this.fault, call), body: undefined };
    const isCancelled = exchange.kind === 'failed' && exchange.cause.kind === 'cancelled';
    // An answer that is whole stays one, whatever happened to its connection.
    if (this.collected.isFinished && !isCancelled && exchange.head !== null) {
      return { call: { ...call, exchange: answered(exchange) }, body: this.collected.completion() };
    }
    if (this.error !== null && exchange.head !== null && !isCancelled && exchange.head.status < 300) {
      return { call: { ...call, exchange: answered(exchange, this.error.body) }, body: undefined };
    }
    if (exchange.kind === 'failed' || exchange.head.status >= 300) return { call, body: undefined };
    if (this.reader?.isBrokenStream === true) return { call: failedBy({ kind: 'truncated' }, call), body: undefined };
    return { call: { ...call, exchange: answered(exchange, parseJson(this.reader?.plain ?? '')) }, body: undefined };
  }

  private async generate(model: LanguageModelV3): Promise<void> {
    const { content, finishReason, usage, response } = await model.doGenerate(toCallOptions(this.request, this.kind));
    this.collected.add({ type: 'response-metadata', modelId: response?.modelId });
    for (const part of content) this.collected.add(part);
    this.collected.add({ type: 'finish', finishReason, usage });
  }

  private async readStream(model: LanguageModelV3): Promise<void> {
    const { stream } = await model.doStream({ ...toCallOptions(this.request, this.kind), includeRawChunks: true });
    for await (const part of stream) {
      if (this.error !== null || this.fault !== null) continue;
      if (part.type === 'error') this.onError(part.error);
      else this.onPart(part);
    }
  }

  private onPart(part: Part): void {
    if (part.type === 'raw') {
      this.event = part.rawValue;
      this.reader?.onEvent();
      const body = this.kind.errorIn?.(part.rawValue);
      if (body !== undefined) this.onStatedError(body);
      this.isAtLast = this.kind.isLast?.(part.rawValue) === true;
      if (this.isAtLast) this.reader?.onLast();
      return;
    }
    const { text, isProgress } = this.collected.add(part);
    if (this.collected.keptBytes > this.settings.maxResponseBytes) this.abort({ kind: 'too-large' });
    if (isProgress) {
      this.firstTokenAtMs ??= performance.now();
      this.reader?.onToken();
      if (this.isAtLast) this.reader?.onLast();
    }
    this.tell(text);
    if (this.collected.isFinished) this.reader?.onFinished();
  }

  private onError(error: unknown): void {
    if (this.collected.isFinished) return;
    const body = errorBodyOf(error);
    if (body === undefined) {
      if (this.event !== undefined && this.kind.ignores?.(this.event)) return;
      this.abort({ kind: 'malformed-chunk' });
      return;
    }
    this.onStatedError(body);
  }

  private onStatedError(body: unknown): void {
    if (this.collected.isFinished) return;
    this.error = { body };
    this.control?.finish(0);
  }

  private abort(cause: FailureCause): void {
    this.fault = cause;
    this.control?.abort(cause);
  }

  /** White space waits for the first word: an answer without words fails, and then another attempt has nothing to take back. */
  private tell(text: string): void {
    this.untold += text;
    this.hasWords ||= text.trim() !== '';
    if (!this.hasWords || this.untold === '') return;
    this.request.stream?.onText(this.untold);
    this.untold = '';
  }

  private readonly fetch: typeof globalThis.fetch = (address, init) => {
    const url = new URL(address instanceof Request ? address.url : address);
    const { requestId, traceparent, timeoutMs, signal, stream } = this.request;
    // Some SDKs ask a model to go on by themselves. Only one request was reserved for.
    if (this.exchanged !== undefined) return Promise.reject(new Error('A call is one request.'));
    return new Promise<Response>((resolve, reject) => {
      const exchanged = authorizedExchange(
        this.connections,
        { readApiKey: this.settings.readApiKey, authorize: (apiKey) => this.kind.authorize(apiKey) },
        {
          method: 'POST',
          path: `${url.pathname}${url.search}`,
          headers: {
            ...sentHeaders(init?.headers),
            'x-request-id': requestId,
            ...(this.settings.sendTraceparent && traceparent !== undefined && { traceparent }),
          },
          body: typeof init?.body === 'string' ? init.body : '',
          timeoutMs,
          signal,
        },
        (control) => {
          this.control = control;
          this.reader = new PassingReader(stream?.limits, this.settings.maxResponseBytes, control, {
            opening: this.kind.opening,
            respond: resolve,
            isFinished: () => this.collected.isFinished,
          });
          return this.reader;
        },
      );
      this.exchanged = exchanged;
      // Without a response to read, the SDK has nothing to do any more.
      void exchanged.then(() => reject(new Error('The call failed.')));
    });
  };
}

/** Without what tells the provider about our software, and without the key's place-holder. */
function sentHeaders(headers: ConstructorParameters<typeof Headers>[0]): Record<string, string> {
  const sent = Object.fromEntries(new Headers(headers));
  for (const name of ['user-agent', 'authorization', 'x-api-key', 'api-key', 'x-goog-api-key']) delete sent[name];
  return sent;
}

function answered(exchange: Exchange, body?: unknown): Exchange {
  if (exchange.head === null) return exchange;
  return { kind: 'response', head: exchange.head, body };
}

export function failedBy(cause: FailureCause, call: AuthorizedExchange): AuthorizedExchange {
  return { ...call, exchange: { kind: 'failed', cause, head: call.exchange.head, sent: true } };
}
