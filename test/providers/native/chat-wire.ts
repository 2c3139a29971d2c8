import { usualUsage, type WireAnswer, type WireError, type WireFormat } from './wire-server';

/** OpenAI's chat completions, so that a test can have the same model behind this format and behind a native one. */
export const chatWire: WireFormat = {
  kind: 'openai-compatible',
  model: 'deepseek-v3.2',
  basePath: '/v1',
  streamType: 'text/event-stream',
  isStreamed: ({ body }) => body['stream'] === true,
  whole: (answer, model) => ({
    ...objectOf('chat.completion', model),
    choices: [{ index: 0, message: { role: 'assistant', ...messageOf(answer) }, finish_reason: finishOf(answer) }],
    usage: usageOf(answer),
  }),
  events(answer, model) {
    const { text = [] } = answer;
    const { content: _whole, tool_calls: calls, ...thoughts } = messageOf(answer);
    const chunk = (delta: object, finish_reason: string | null = null) =>
      event({
        ...objectOf('chat.completion.chunk', model),
        choices: [{ index: 0, delta, finish_reason }],
        usage: null,
      });
    return [
      chunk({ role: 'assistant', content: '' }),
      ...('reasoning_content' in thoughts ? [chunk(thoughts)] : []),
      ...text.map((content) => chunk({ content })),
      ...(calls ?? []).map((call, index) => chunk({ tool_calls: [{ index, ...call }] })),
      chunk({}, finishOf(answer)),
      event({ ...objectOf('chat.completion.chunk', model), choices: [], usage: usageOf(answer) }),
      'data: [DONE]\n\n',
    ];
  },
  error: (error) => ({ status: statuses[error], body: errorBody(error) }),
  errorEvent: (error) => event(errorBody(error)),
  malformedEvent: 'data: {"choices":[{"index":0,"delta":{"con\n\n',
  heartbeat: ': ping\n\n',
  modelList: (models) => ({ object: 'list', data: models.map((id) => ({ id, object: 'model' })) }),
  keyHeaders: (apiKey) => ({ authorization: `Bearer ${apiKey}` }),
};

function event(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

function objectOf(object: string, model: string) {
  return { id: 'chatcmpl-01', object, created: 1, model };
}

function messageOf({ text = [], thoughts = [], calls = [] }: WireAnswer) {
  return {
    content: text.length > 0 ? text.join('') : null,
    ...(thoughts.length > 0 && { reasoning_content: thoughts.map((thought) => thought.text).join('') }),
    ...(calls.length > 0 && {
      tool_calls: calls.map(({ id, name, input }) => ({
        id,
        type: 'function',
        function: { name, arguments: JSON.stringify(input) },
      })),
    }),
  };
}

function finishOf({ stop, calls = [] }: WireAnswer): string {
  const reasons = {
    stop: 'stop',
    length: 'length',
    'tool-calls': 'tool_calls',
    refusal: 'content_filter',
    pause: 'length',
  };
  return reasons[stop ?? (calls.length > 0 ? 'tool-calls' : 'stop')];
}

function usageOf({ usage }: WireAnswer) {
  const { freshTokens, cacheReadTokens, cacheWriteTokens, outputTokens, thinkingTokens } = { ...usualUsage, ...usage };
  const prompt_tokens = freshTokens + cacheReadTokens + cacheWriteTokens;
  return {
    prompt_tokens,
    completion_tokens: outputTokens,
    total_tokens: prompt_tokens + outputTokens,
    prompt_tokens_details: { cached_tokens: cacheReadTokens, cache_write_tokens: cacheWriteTokens },
    completion_tokens_details: { reasoning_tokens: thinkingTokens },
  };
}

const statuses: Readonly<Record<WireError, number>> = {
  'rate-limited': 429,
  overloaded: 503,
  internal: 500,
  'context-length': 400,
  'bad-request': 400,
  unauthorized: 401,
  forbidden: 403,
  'unknown-model': 404,
  'too-large': 413,
};

function errorBody(error: WireError) {
  return { error: { message: `The server says: ${error}.`, type: 'invalid_request_error', code: null } };
}
