import { Pool } from 'undici';
import type { CallFailure } from '../contract/failures';
import type { TokenUsage } from '../contract/turn';
import { measuredText } from '../domain/message';
import {
  classifyBrokenExchange,
  classifyErrorResponse,
  classifyUnusableResponse,
  type CallContext,
} from './classify-failure';
import { exchange, type Exchange, type ExchangeRequest } from './exchange';
import type { CompletionRequest, CompletionResult, Provider, ProviderSettings } from './provider';
import { completionSchema, modelListSchema, parseJson, type Completion } from './response-schemas';

/** TCP and TLS take a few round trips; a host that needs longer is unreachable, and half of the first attempt is left. */
const connectTimeoutMs = 5_000;
/** Long enough to keep connections between the turns of a conversation, shorter than the minute after which load balancers drop them. */
const keepAliveTimeoutMs = 30_000;

/** An OpenAI-compatible provider over its own pool of kept-alive connections. */
export function createProvider(settings: ProviderSettings): Provider {
  const baseUrl = new URL(settings.baseUrl);
  const basePath = baseUrl.pathname.replace(/\/+$/, '');
  const pool = new Pool(baseUrl.origin, {
    connections: settings.maxConnections,
    pipelining: 1,
    connectTimeout: connectTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    // The exchange's own limit covers headers and body together.
    headersTimeout: 0,
    bodyTimeout: 0,
  });

  return {
    name: settings.name,

    async complete(request): Promise<CompletionResult> {
      const startedAtMs = performance.now();
      const call = await authorizedExchange(pool, settings, completionCall(request, `${basePath}/chat/completions`));
      const latencyMs = Math.round(performance.now() - startedAtMs);
      const context = contextOf(settings, call, request);
      const completion = completionSchema.safeParse(bodyOf(call.exchange)).data;
      if (completion === undefined) {
        return {
          kind: 'failed',
          failure: failureOf(call.exchange, context),
          receivedBytes: call.exchange.head !== null,
          latencyMs,
        };
      }
      return { kind: 'completed', ...readCompletion(completion, request.model), latencyMs };
    },

    async listModels(timeoutMs) {
      const call = await authorizedExchange(pool, settings, {
        method: 'GET',
        path: `${basePath}/models`,
        headers: {},
        timeoutMs,
      });
      const list = modelListSchema.safeParse(bodyOf(call.exchange)).data;
      if (list === undefined) return { kind: 'failed', failure: failureOf(call.exchange, contextOf(settings, call)) };
      return { kind: 'listed', status: call.exchange.head?.status ?? 200, models: list.data.map((model) => model.id) };
    },

    /** Calls in flight end as `cancelled`. */
    close: () => pool.destroy(),
  };
}

type Call = Omit<ExchangeRequest, 'maxResponseBytes'>;

interface AuthorizedExchange {
  readonly exchange: Exchange;
  readonly apiKeys: readonly string[];
}

/** After a 401 the key is read again, once: it may have been rotated. Both requests together keep the call's limit. */
async function authorizedExchange(pool: Pool, settings: ProviderSettings, call: Call): Promise<AuthorizedExchange> {
  const { maxResponseBytes } = settings;
  const startedAtMs = performance.now();
  const apiKey = settings.readApiKey({ refresh: false });
  const first = await exchange(pool, { ...call, headers: withKey(call.headers, apiKey), maxResponseBytes });
  const apiKeys = apiKey === undefined ? [] : [apiKey];
  if (first.head?.status !== 401) return { exchange: first, apiKeys };

  const newKey = settings.readApiKey({ refresh: true });
  const timeoutMs = call.timeoutMs - (performance.now() - startedAtMs);
  if (newKey === undefined || newKey === apiKey || timeoutMs <= 0) return { exchange: first, apiKeys };
  const second = await exchange(pool, { ...call, headers: withKey(call.headers, newKey), timeoutMs, maxResponseBytes });
  return { exchange: second, apiKeys: [...apiKeys, newKey] };
}

function withKey(headers: Readonly<Record<string, string>>, apiKey: string | undefined): Record<string, string> {
  return apiKey === undefined ? { ...headers } : { ...headers, authorization: `Bearer ${apiKey}` };
}

function completionCall(request: CompletionRequest, path: string): Call {
  const { model, messages, temperature, maxTokens, requestId, timeoutMs, signal } = request;
  return {
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json', 'x-request-id': requestId },
    body: JSON.stringify({ model, messages, temperature, max_tokens: maxTokens }),
    timeoutMs,
    signal,
  };
}

/** The JSON of a 2xx; undefined for everything else. */
function bodyOf(result: Exchange): unknown {
  if (result.kind === 'broken' || result.head.status >= 300) return undefined;
  return parseJson(result.body);
}

function failureOf(result: Exchange, context: CallContext): CallFailure {
  if (result.kind === 'broken') return classifyBrokenExchange(result, context);
  if (result.head.status >= 300) return classifyErrorResponse(result.head, result.body, context);
  return classifyUnusableResponse(result.head.status, result.body, context);
}

function contextOf(settings: ProviderSettings, call: AuthorizedExchange, request?: CompletionRequest): CallContext {
  const texts = request?.messages.map(measuredText) ?? [];
  return { provider: settings.name, nowMs: Date.now(), confidential: { apiKeys: call.apiKeys, texts } };
}

function readCompletion(completion: Completion, requestedModel: string) {
  const choice = completion.choices[0];
  return {
    content: choice?.message.content ?? '',
    model: completion.model ?? requestedModel,
    finishReason: choice?.finish_reason ?? null,
    usage: readUsage(completion.usage),
  };
}

function readUsage(usage: Completion['usage']): TokenUsage | null {
  if (usage === null || usage === undefined) return null;
  const promptTokens = usage.prompt_tokens;
  const cachedPromptTokens = Math.min(usage.prompt_tokens_details?.cached_tokens ?? 0, promptTokens);
  return { promptTokens, cachedPromptTokens, completionTokens: usage.completion_tokens };
}
