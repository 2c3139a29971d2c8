import { usualUsage, type WireAnswer, type WireError, type WireFormat } from './wire-server';

/** Google's Gemini API, as its documentation describes it. */
export const googleWire: WireFormat = {
  kind: 'google',
  model: 'gemini-3-pro',
  hasFreeCache: true,
  forgetsThoughts: true,
  basePath: '/v1beta',
  streamType: 'text/event-stream',
  isStreamed: ({ path }) => path.includes(':streamGenerateContent?alt=sse'),
  whole: (answer, model) => chunk(partsOf(answer), answer, model),
  events(answer, model) {
    const parts = partsOf(answer);
    const first = parts.slice(0, -1).map((part) => event(chunk([part], null, model)));
    return [...first, event(chunk(parts.slice(-1), null, model)), event(chunk([], answer, model))];
  },
  error: (error) => ({ status: errors[error][0], body: errorBody(error) }),
  errorEvent: (error) => event(errorBody(error)),
  malformedEvent: 'data: {"candidates":[{"content":{"par\n\n',
  heartbeat: null,
  modelList: (models) => ({ models: models.map((id) => ({ name: `models/${id}` })) }),
  keyHeaders: (apiKey) => ({ 'x-goog-api-key': apiKey }),
};

function event(data: unknown): string {
  return `data: ${JSON.stringify(data)}\r\n\r\n`;
}

function chunk(parts: readonly unknown[], answer: WireAnswer | null, model: string) {
  const content = { role: 'model', parts };
  return {
    candidates: [{ index: 0, content, ...(answer && { finishReason: finishOf(answer) }) }],
    ...(answer && { usageMetadata: usageOf(answer) }),
    modelVersion: model,
    responseId: 'r1',
  };
}

/** A signature stands in the first of parallel calls. */
function partsOf({ text = [], thoughts = [], calls = [] }: WireAnswer): readonly unknown[] {
  const signature = thoughts.find((thought) => thought.signature !== undefined)?.signature;
  return [
    ...thoughts.map((thought) => ({ text: thought.text, thought: true })),
    ...text.map((piece) => ({ text: piece })),
    ...calls.map(({ id, name, input }, index) => ({
      functionCall: { id, name, args: input },
      ...(index === 0 && signature !== undefined && { thoughtSignature: signature }),
    })),
  ];
}

function finishOf({ stop }: WireAnswer): string {
  if (stop === 'length') return 'MAX_TOKENS';
  return stop === 'refusal' ? 'SAFETY' : 'STOP';
}

/** The thoughts are not among the candidates' tokens. */
function usageOf({ usage }: WireAnswer) {
  const { freshTokens, cacheReadTokens, outputTokens, thinkingTokens } = { ...usualUsage, ...usage };
  const promptTokenCount = freshTokens + cacheReadTokens;
  return {
    promptTokenCount,
    cachedContentTokenCount: cacheReadTokens,
    candidatesTokenCount: outputTokens - thinkingTokens,
    thoughtsTokenCount: thinkingTokens,
    totalTokenCount: promptTokenCount + outputTokens,
  };
}

const errors: Readonly<Record<WireError, readonly [number, string, string]>> = {
  'rate-limited': [429, 'RESOURCE_EXHAUSTED', 'Resource has been exhausted (e.g. check quota).'],
  overloaded: [503, 'UNAVAILABLE', 'The model is overloaded. Please try again later.'],
  internal: [500, 'INTERNAL', 'An internal error has occurred. Please retry.'],
  'context-length': [
    400,
    'INVALID_ARGUMENT',
    'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
  ],
  'bad-request': [400, 'INVALID_ARGUMENT', 'Invalid value at contents[0].parts'],
  // As Google does for an invalid key.
  unauthorized: [400, 'INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.'],
  forbidden: [403, 'PERMISSION_DENIED', 'The caller does not have permission'],
  'unknown-model': [404, 'NOT_FOUND', 'models/gemini-none is not found for API version v1beta'],
  'too-large': [413, 'INVALID_ARGUMENT', 'Request payload size exceeds the limit: 20971520 bytes.'],
};

function errorBody(error: WireError) {
  const [code, status, message] = errors[error];
  return { error: { code, message, status } };
}
