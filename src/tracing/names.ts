/**
 * Every name that our spans have. OpenTelemetry's conventions for generative AI are still changing: these are those of
 * https://github.com/open-telemetry/semantic-conventions-genai, version 0.1.0, which has replaced those of the general
 * conventions up to 1.41. The stable names (`error.type`, `http.*`, `server.*`, `url.*`) are of the general conventions,
 * version 1.45.
 */

/** The instrumentation scope of all our spans. */
export const scopeName = 'bellwether';

export const spanNames = {
  /** The model is appended: `chat deepseek-v3.2`. */
  chat: 'chat',
  admit: 'admit turn',
  record: 'record turn',
} as const;

export const eventNames = { firstToken: 'bellwether.first_token' } as const;

/** Of a call that is no other: `embeddings`, or our own `moderations`. */
export const chatOperation = 'chat';

export const attributes = {
  errorType: 'error.type',
  httpMethod: 'http.request.method',
  httpRoute: 'http.route',
  httpStatus: 'http.response.status_code',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  urlPath: 'url.path',
  urlScheme: 'url.scheme',

  operation: 'gen_ai.operation.name',
  /** As the configuration names the provider. */
  provider: 'gen_ai.provider.name',
  conversation: 'gen_ai.conversation.id',
  requestModel: 'gen_ai.request.model',
  requestStream: 'gen_ai.request.stream',
  maxTokens: 'gen_ai.request.max_tokens',
  responseModel: 'gen_ai.response.model',
  finishReasons: 'gen_ai.response.finish_reasons',
  /** In seconds. */
  timeToFirstChunk: 'gen_ai.response.time_to_first_chunk',
  inputTokens: 'gen_ai.usage.input_tokens',
  cacheWriteInputTokens: 'gen_ai.usage.cache_creation.input_tokens',
  cachedInputTokens: 'gen_ai.usage.cache_read.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  reasoningTokens: 'gen_ai.usage.reasoning.output_tokens',

  turn: 'bellwether.turn.id',
  /** Of the API key; not the key itself. */
  key: 'bellwether.key.id',
  arm: 'bellwether.arm',
  rollout: 'bellwether.rollout',
  bake: 'bellwether.bake',
  canary: 'bellwether.canary',
  target: 'bellwether.target',
  /** Counts the calls of a turn from 1, as the ledger does. */
  attempt: 'bellwether.attempt',
  /** `answered`, `degraded` or `refused`. */
  outcome: 'bellwether.outcome',
  /** The budget that refused the turn. */
  refusedBy: 'bellwether.refused_by',
  /** What the call or the turn has certainly cost, in US dollars. */
  cost: 'bellwether.cost.usd',
} as const;
