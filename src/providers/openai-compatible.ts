import { type Dispatcher, Pool } from 'undici';
import type { CallFailure } from '../contract/failures';
import { limits } from '../contract/limits';
import type { CompletionRequest, CompletionResult, Provider, ProviderSettings } from '../contract/provider';
import { promptText } from '../domain/turn/messages';
import {
  type CallContext,
  classifyFailedExchange,
  classifyErrorResponse,
  classifyUnusableResponse,
} from './classify-failure';
import { completionCall } from './completion-request';
import { type BodyReader, type Exchange, exchange, type ExchangeControl, type ExchangeRequest } from './exchange';
import { type Answer, readCompletion } from './read-completion';
import { completionSchema, JsonReader, modelListSchema } from './response-schemas';
import { StreamReader } from './stream-reader';

/** TCP and TLS take a few round trips; a host that needs longer is unreachable. Leaves half of the first attempt's timeout. */
const connectTimeoutMs = 5_000;
/** Long enough to reuse connections between the turns of a conversation, shorter than the minute after which load balancers drop them. */
const keepAliveTimeoutMs = 30_000;

/** An OpenAI-compatible provider with its own pool of keep-alive connections. */
export function createProvider(settings: ProviderSettings): Provider {
  const baseUrl = new URL(settings.baseUrl);
  const basePath = baseUrl.pathname.replace(/\/+$/, '');
  const pool = new Pool(baseUrl.origin, {
    connections: settings.maxConnections,
    pipelining: 1,
    connectTimeout: connectTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    // The exchange's own timeout covers headers and body together.
    headersTimeout: 0,
    bodyTimeout: 0,
  });

  return {
    name: settings.name,

    async complete(request): Promise<CompletionResult> {
      const startedAtMs = performance.now();
      const { stream } = request;
      const call = await authorizedExchange(
        pool,
        settings,
        completionCall(request, `${basePath}/chat/completions`),
        (control) =>
          stream === undefined
            ? new JsonReader(settings.maxResponseBytes, control)
            : new StreamReader(stream, settings.maxResponseBytes, control),
      );
      const latencyMs = Math.round(performance.now() - startedAtMs);
      const context = contextOf(settings, call, request);
      const completion = completionSchema.safeParse(bodyOf(call.exchange)).data;
      const answer = completion && readCompletion(completion, request.model);
      if (answer === undefined || isTooLarge(answer)) {
        const failed = answer === undefined ? call.exchange : tooLarge(call.exchange);
        return { kind: 'failed', failure: failureOf(failed, context), receivedBytes: failed.head !== null, latencyMs };
      }
      return { kind: 'completed', ...answer, latencyMs };
    },

    async listModels(timeoutMs) {
      const call = await authorizedExchange(
        pool,
        settings,
        { method: 'GET', path: `${basePath}/models`, headers: {}, timeoutMs },
        (control) => new JsonReader(settings.maxResponseBytes, control),
      );
      const list = modelListSchema.safeParse(bodyOf(call.exchange)).data;
      if (list === undefined) return { kind: 'failed', failure: failureOf(call.exchange, contextOf(settings, call)) };
      return { kind: 'listed', status: call.exchange.head?.status ?? 200, models: list.data.map((model) => model.id) };
    },

    /** Calls in flight end as `cancelled`. */
    close: () => pool.destroy(),
  };
}

/** The body of a 2xx; undefined otherwise. */
function bodyOf(result: Exchange): unknown {
  return result.kind === 'failed' || result.head.status >= 300 ? undefined : result.body;
}

/** Whether the answer is too large to pass on, although the response was within its limit. The usage is not passed on. */
function isTooLarge({ usage: _usage, ...said }: Answer): boolean {
  return Buffer.byteLength(JSON.stringify(said)) > limits.maxAnswerBytes;
}

function tooLarge({ head }: Exchange): Exchange {
  return { kind: 'failed', cause: { kind: 'too-large' }, head, sent: true };
}

function failureOf(result: Exchange, context: CallContext): CallFailure {
  if (result.kind === 'failed') return classifyFailedExchange(result, context);
  if (result.head.status >= 300) return classifyErrorResponse(result.head, result.body, context);
  return classifyUnusableResponse(result.head, result.body, context);
}

function contextOf(settings: ProviderSettings, call: AuthorizedExchange, request?: CompletionRequest): CallContext {
  const texts = request?.messages.map(promptText) ?? [];
  return { provider: settings.name, nowMs: Date.now(), confidential: { apiKeys: call.apiKeys, texts } };
}

interface AuthorizedExchange {
  readonly exchange: Exchange;
  /** The keys that were sent. */
  readonly apiKeys: readonly string[];
}

/** After a 401 the key is reread once, because it may have been rotated. Both requests together stay within the call's timeout. */
async function authorizedExchange(
  dispatcher: Dispatcher,
  { readApiKey }: ProviderSettings,
  request: ExchangeRequest,
  createReader: (control: ExchangeControl) => BodyReader,
): Promise<AuthorizedExchange> {
  const startedAtMs = performance.now();
  const apiKey = readApiKey({ refresh: false });
  const first = await exchange(dispatcher, withKey(request, apiKey), createReader);
  const apiKeys = apiKey === undefined ? [] : [apiKey];
  if (first.head?.status !== 401) return { exchange: first, apiKeys };

  const newKey = readApiKey({ refresh: true });
  const timeoutMs = request.timeoutMs - (performance.now() - startedAtMs);
  if (newKey === undefined || newKey === apiKey || timeoutMs <= 0) return { exchange: first, apiKeys };
  const second = await exchange(dispatcher, withKey({ ...request, timeoutMs }, newKey), createReader);
  return { exchange: second, apiKeys: [...apiKeys, newKey] };
}

function withKey(request: ExchangeRequest, apiKey: string | undefined): ExchangeRequest {
  if (apiKey === undefined) return request;
  return { ...request, headers: { ...request.headers, authorization: `Bearer ${apiKey}` } };
}
