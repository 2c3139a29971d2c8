import type { LanguageModelV3 } from '@ai-sdk/provider';
import type { CallFailure } from '../../contract/failures';
import type { CompletionRequest, CompletionResult, Provider, ProviderSettings } from '../../contract/provider';
import { type AuthorizedExchange, authorizedExchange } from '../authorized-exchange';
import {
  type CallContext,
  classifyErrorResponse,
  classifyFailedExchange,
  classifyUnusableResponse,
  toolNamesOf,
} from '../classify-failure';
import { Connections } from '../connections';
import { isTooLarge, readCompletion } from '../read-completion';
import { redact, textsOf } from '../redact';
import { JsonReader } from '../response-schemas';
import type { ModelSource, NativeKind } from './kind';
import { failedBy, NativeCall } from './native-call';

/** A provider that is called in its own format, with its own pool of keep-alive connections. */
export function createNativeProvider(settings: ProviderSettings, kind: NativeKind): Provider {
  const baseUrl = new URL(settings.baseUrl);
  const connections = new Connections(baseUrl.origin, settings.maxConnections);
  let loading: Promise<(source: ModelSource) => LanguageModelV3> | undefined;

  return {
    name: settings.name,
    server: { address: baseUrl.hostname, port: Number(baseUrl.port) || (baseUrl.protocol === 'https:' ? 443 : 80) },

    async complete(request): Promise<CompletionResult> {
      const startedAtMs = performance.now();
      const latency = () => ({ latencyMs: Math.round(performance.now() - startedAtMs) });
      loading ??= kind.load();
      try {
        const outcome = await new NativeCall(kind, settings, connections, request).run(await loading);
        const { firstTokenAtMs } = outcome;
        const firstToken = request.stream && {
          firstTokenMs: firstTokenAtMs === null ? null : Math.round(firstTokenAtMs - startedAtMs),
        };
        const failed = (call: AuthorizedExchange) => ({
          kind: 'failed' as const,
          failure: failureOf(call, contextOf(settings, call, request)),
          receivedBytes: call.exchange.head !== null,
          ...latency(),
          ...firstToken,
        });
        const reading = readCompletion(outcome.body, request.model);
        if (reading.kind === 'none') {
          const { cause, usage, hasSpoken } = reading;
          // A withheld answer is known by its body.
          const call = cause === null ? withBody(outcome.call, outcome.body) : failedBy(cause, outcome.call);
          return { ...failed(call), usage, hasSpoken };
        }
        const answer = carrying(reading.answer, outcome);
        if (isTooLarge(answer)) {
          return { ...failed(failedBy({ kind: 'too-large' }, outcome.call)), usage: answer.usage, hasSpoken: true };
        }
        return { kind: 'completed', ...answer, ...latency(), ...firstToken };
      } catch (error) {
        return { kind: 'failed', failure: unsendable(settings, request, error), receivedBytes: false, ...latency() };
      }
    },

    async listModels(timeoutMs) {
      const listing = kind.listModels;
      if (listing === null) return { kind: 'failed', failure: notListed(settings) };
      const call = await authorizedExchange(
        connections,
        { readApiKey: settings.readApiKey, authorize: (apiKey) => kind.authorize(apiKey) },
        {
          method: 'GET',
          path: `${baseUrl.pathname.replace(/\/+$/, '')}${listing.path}`,
          headers: listing.headers,
          timeoutMs,
        },
        (control) => new JsonReader(settings.maxResponseBytes, control),
      );
      const { exchange } = call;
      const isOk = exchange.kind === 'response' && exchange.head.status < 300;
      const models = isOk ? listing.read(exchange.body) : undefined;
      if (models === undefined) return { kind: 'failed', failure: failureOf(call, contextOf(settings, call)) };
      return { kind: 'listed', status: exchange.head?.status ?? 200, models };
    },

    /** Calls in flight end as `cancelled`. */
    close: () => connections.close(),
  };
}

type Answer = Extract<ReturnType<typeof readCompletion>, { kind: 'answer' }>['answer'];

function carrying(answer: Answer, { collected }: Awaited<ReturnType<NativeCall['run']>>): Answer {
  return answer.toolCalls === undefined ? answer : { ...answer, toolCalls: collected.withThoughts(answer.toolCalls) };
}

function withBody(call: AuthorizedExchange, body: unknown): AuthorizedExchange {
  const { exchange } = call;
  return body === undefined || exchange.kind === 'failed' ? call : { ...call, exchange: { ...exchange, body } };
}

function failureOf({ exchange }: AuthorizedExchange, context: CallContext): CallFailure {
  if (exchange.kind === 'failed') return classifyFailedExchange(exchange, context);
  if (exchange.head.status >= 300) return classifyErrorResponse(exchange.head, exchange.body, context);
  return classifyUnusableResponse(exchange.head, exchange.body, context);
}

function contextOf(settings: ProviderSettings, call: AuthorizedExchange, request?: CompletionRequest): CallContext {
  const confidential = { apiKeys: call.apiKeys, texts: request === undefined ? [] : textsOf(request) };
  return { provider: settings.name, nowMs: Date.now(), confidential, toolNames: toolNamesOf(request?.options) };
}

function unsendable(settings: ProviderSettings, request: CompletionRequest, error: unknown): CallFailure {
  const reason = error instanceof Error ? error.message : 'unknown error';
  const words = redact(reason, { apiKeys: [], texts: textsOf(request) }, 300);
  return {
    kind: 'bad-request',
    message: `${settings.name}: the request cannot be said in this provider's format: ${words}`,
    retryable: false,
    charge: 'not-charged',
    httpStatus: null,
    retryAfterMs: null,
  };
}

function notListed({ name }: ProviderSettings): CallFailure {
  return {
    kind: 'bad-request',
    message: `${name}: this kind of provider has no list of models`,
    retryable: false,
    charge: 'not-charged',
    httpStatus: null,
    retryAfterMs: null,
  };
}
