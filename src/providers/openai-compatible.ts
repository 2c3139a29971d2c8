import type { CallFailure } from '../contract/failures';
import type { CompletionRequest, CompletionResult, Provider, ProviderSettings } from '../contract/provider';
import {
  type CallContext,
  classifyFailedExchange,
  classifyErrorResponse,
  classifyUnusableResponse,
} from './classify-failure';
import { Connections } from './connections';
import { completionCall } from './completion-request';
import {
  type BodyReader,
  type Exchange,
  exchange,
  type ExchangeControl,
  type ExchangeRequest,
  type FailureCause,
} from './exchange';
import { isTooLarge, readCompletion } from './read-completion';
import { textsOf } from './redact';
import { JsonReader, modelListSchema } from './response-schemas';
import { StreamReader } from './stream-reader';

/** An OpenAI-compatible provider with its own pool of keep-alive connections. */
export function createProvider(settings: ProviderSettings): Provider {
  const baseUrl = new URL(settings.baseUrl);
  const basePath = baseUrl.pathname.replace(/\/+$/, '');
  const connections = new Connections(baseUrl.origin, settings.maxConnections);

  return {
    name: settings.name,
    server: { address: baseUrl.hostname, port: Number(baseUrl.port) || (baseUrl.protocol === 'https:' ? 443 : 80) },

    async complete(request): Promise<CompletionResult> {
      const startedAtMs = performance.now();
      const { stream } = request;
      /** Of the last request, if it was sent again. */
      let reader: StreamReader | undefined;
      const call = await authorizedExchange(
        connections,
        settings,
        completionCall(settings.sendTraceparent ? request : untraced(request), `${basePath}/chat/completions`),
        (control) => {
          reader = new StreamReader(stream, settings.maxResponseBytes, control);
          return reader;
        },
      );
      const firstTokenAtMs = reader?.firstTokenAtMs ?? null;
      const firstToken = stream && {
        firstTokenMs: firstTokenAtMs === null ? null : Math.round(firstTokenAtMs - startedAtMs),
      };
      const latencyMs = Math.round(performance.now() - startedAtMs);
      const failed = (result: Exchange) => {
        const failure = failureOf(result, contextOf(settings, call, request));
        return { failure, receivedBytes: result.head !== null, latencyMs, ...firstToken };
      };
      const reading = readCompletion(bodyOf(call.exchange), request.model);
      if (reading.kind === 'none') {
        const { cause, usage, hasSpoken } = reading;
        const exchanged = cause === null ? call.exchange : failedBy(cause, call.exchange);
        return { kind: 'failed', ...failed(exchanged), usage, hasSpoken };
      }
      const { answer } = reading;
      if (isTooLarge(answer)) {
        const tooLarge = failed(failedBy({ kind: 'too-large' }, call.exchange));
        return { kind: 'failed', ...tooLarge, usage: answer.usage, hasSpoken: true };
      }
      return { kind: 'completed', ...answer, latencyMs, ...firstToken };
    },

    async listModels(timeoutMs) {
      const call = await authorizedExchange(
        connections,
        settings,
        { method: 'GET', path: `${basePath}/models`, headers: {}, timeoutMs },
        (control) => new JsonReader(settings.maxResponseBytes, control),
      );
      const list = modelListSchema.safeParse(bodyOf(call.exchange)).data;
      if (list === undefined) return { kind: 'failed', failure: failureOf(call.exchange, contextOf(settings, call)) };
      return { kind: 'listed', status: call.exchange.head?.status ?? 200, models: list.data.map((model) => model.id) };
    },

    /** Calls in flight end as `cancelled`. */
    close: () => connections.close(),
  };
}

function untraced({ traceparent: _traceparent, ...request }: CompletionRequest): CompletionRequest {
  return request;
}

/** The body of a 2xx; undefined otherwise. */
function bodyOf(result: Exchange): unknown {
  return result.kind === 'failed' || result.head.status >= 300 ? undefined : result.body;
}

/** Turns a received response into a failure. */
function failedBy(cause: FailureCause, { head }: Exchange): Exchange {
  return { kind: 'failed', cause, head, sent: true };
}

function failureOf(result: Exchange, context: CallContext): CallFailure {
  if (result.kind === 'failed') return classifyFailedExchange(result, context);
  if (result.head.status >= 300) return classifyErrorResponse(result.head, result.body, context);
  return classifyUnusableResponse(result.head, result.body, context);
}

function contextOf(settings: ProviderSettings, call: AuthorizedExchange, request?: CompletionRequest): CallContext {
  const texts = request === undefined ? [] : textsOf(request);
  const confidential = { apiKeys: call.apiKeys, texts };
  return { provider: settings.name, nowMs: Date.now(), confidential, toolNames: toolNamesOf(request?.options) };
}

function toolNamesOf(options: CompletionRequest['options']): readonly string[] {
  const tools = options?.['tools'];
  const names = Array.isArray(tools)
    ? tools.map((tool: { readonly function?: { readonly name?: unknown } } | null) => tool?.function?.name)
    : [];
  return names.filter((name) => typeof name === 'string');
}

interface AuthorizedExchange {
  readonly exchange: Exchange;
  /** The keys that were sent. */
  readonly apiKeys: readonly string[];
}

/** After a 401 the key is reread once, because it may have been rotated. Both requests together stay within the call's timeout. */
async function authorizedExchange(
  connections: Connections,
  { readApiKey }: ProviderSettings,
  request: ExchangeRequest,
  createReader: (control: ExchangeControl) => BodyReader,
): Promise<AuthorizedExchange> {
  const startedAtMs = performance.now();
  const apiKey = readApiKey({ refresh: false });
  const first = await liveExchange(connections, withHeaders(request, apiKey), createReader);
  const apiKeys = apiKey === undefined ? [] : [apiKey];
  if (first.head?.status !== 401) return { exchange: first, apiKeys };

  const newKey = readApiKey({ refresh: true });
  const timeoutMs = request.timeoutMs - (performance.now() - startedAtMs);
  if (newKey === undefined || newKey === apiKey || timeoutMs <= 0) return { exchange: first, apiKeys };
  const second = await liveExchange(connections, withHeaders({ ...request, timeoutMs }, newKey), createReader);
  return { exchange: second, apiKeys: [...apiKeys, newKey] };
}

/** If the provider had already closed the connection, the request is sent again at once, on a new one. */
async function liveExchange(
  connections: Connections,
  request: ExchangeRequest,
  createReader: (control: ExchangeControl) => BodyReader,
): Promise<Exchange> {
  const startedAtMs = performance.now();
  const first = await exchange(connections.pool, request, createReader);
  if (first.kind !== 'failed' || first.wasStale !== true) return first;
  const timeoutMs = request.timeoutMs - (performance.now() - startedAtMs);
  if (timeoutMs <= 0) return first;
  return connections.withNewConnection((dispatcher) => exchange(dispatcher, { ...request, timeoutMs }, createReader));
}

function withHeaders(request: ExchangeRequest, apiKey: string | undefined): ExchangeRequest {
  const authorization = apiKey === undefined ? undefined : { authorization: `Bearer ${apiKey}` };
  return { ...request, headers: { ...request.headers, 'accept-encoding': 'identity', ...authorization } };
}
