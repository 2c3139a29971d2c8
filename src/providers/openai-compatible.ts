import type { CallFailure } from '../contract/failures';
import type { CompletionRequest, CompletionResult, Provider, ProviderSettings } from '../contract/provider';
import {
  type CallContext,
  classifyFailedExchange,
  classifyErrorResponse,
  classifyUnusableResponse,
  toolNamesOf,
} from './classify-failure';
import { type AuthorizedExchange, authorizedExchange } from './authorized-exchange';
import { Connections } from './connections';
import { completionCall } from './completion-request';
import type { Exchange, FailureCause } from './exchange';
import { operationCall, readOperation, textsOfInput } from './operation-call';
import { isTooLarge, readCompletion } from './read-completion';
import { textsOf } from './redact';
import { JsonReader, modelListSchema } from './response-schemas';
import { StreamReader } from './stream-reader';

const authorize = (apiKey: string) => ({ authorization: `Bearer ${apiKey}` });

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
        { readApiKey: settings.readApiKey, authorize },
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

    async runOperation(request): Promise<CompletionResult> {
      const startedAtMs = performance.now();
      const call = await authorizedExchange(
        connections,
        { readApiKey: settings.readApiKey, authorize },
        operationCall(settings.sendTraceparent ? request : untraced(request), basePath),
        (control) => new JsonReader(Math.max(settings.maxResponseBytes, maxDecimalVectorBytes), control),
      );
      const latencyMs = Math.round(performance.now() - startedAtMs);
      const answer = readOperation(bodyOf(call.exchange), request);
      if (answer !== null && !isTooLarge(answer)) return { kind: 'completed', ...answer, latencyMs };
      const exchanged = answer === null ? call.exchange : failedBy({ kind: 'too-large' }, call.exchange);
      const confidential = { apiKeys: call.apiKeys, texts: textsOfInput(request) };
      const failure = failureOf(exchanged, { provider: settings.name, nowMs: Date.now(), confidential, toolNames: [] });
      return {
        kind: 'failed',
        failure,
        receivedBytes: exchanged.head !== null,
        latencyMs,
        ...(answer !== null && { usage: answer.usage }),
      };
    },

    async listModels(timeoutMs) {
      const call = await authorizedExchange(
        connections,
        { readApiKey: settings.readApiKey, authorize },
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

/** A provider that does not know base64 sends decimal numbers, which take five times as many bytes as an answer may have. */
const maxDecimalVectorBytes = 8 * 1024 * 1024;

function untraced<Request extends Pick<CompletionRequest, 'traceparent'>>({
  traceparent: _traceparent,
  ...request
}: Request): Omit<Request, 'traceparent'> {
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
