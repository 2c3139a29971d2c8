import { usualUsage, type WireAnswer, type WireError, type WireFormat } from './wire-server';

/** Anthropic's Messages API, as its documentation describes it. */
export const anthropicWire: WireFormat = {
  kind: 'anthropic',
  model: 'claude-sonnet-4-5',
  basePath: '/v1',
  streamType: 'text/event-stream; charset=utf-8',
  isStreamed: ({ body }) => body['stream'] === true,
  whole: (answer, model) => ({
    ...messageOf(answer, model),
    content: blocksOf(answer).map(({ start, deltas }) => ({ ...start, ...wholeOf(deltas) })),
    stop_reason: stopOf(answer),
    usage: { ...promptUsage(answer), ...outputUsage(answer) },
  }),
  events(answer, model) {
    const usage = { ...promptUsage(answer), output_tokens: 1 };
    const start = { type: 'message_start', message: { ...messageOf(answer, model), content: [], usage } };
    const delta = { stop_reason: stopOf(answer), stop_sequence: null };
    return [
      event(start),
      event({ type: 'ping' }),
      ...blocksOf(answer).flatMap(({ start: block, deltas }, index) => [
        event({ type: 'content_block_start', index, content_block: block }),
        ...deltas.map((each) => event({ type: 'content_block_delta', index, delta: each })),
        event({ type: 'content_block_stop', index }),
      ]),
      event({ type: 'message_delta', delta, usage: outputUsage(answer) }),
      event({ type: 'message_stop' }),
    ];
  },
  error: (error) => ({ status: errors[error][0], body: errorBody(error) }),
  errorEvent: (error) => event(errorBody(error)),
  malformedEvent: 'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"ty\n\n',
  heartbeat: event({ type: 'ping' }),
  modelList: (models) => ({ data: models.map((id) => ({ type: 'model', id, display_name: id })), has_more: false }),
  keyHeaders: (apiKey) => ({ 'x-api-key': apiKey, 'anthropic-version': '2023-06-01' }),
};

function event(data: { readonly type: string; readonly [field: string]: unknown }): string {
  return `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
}

function messageOf(_answer: WireAnswer, model: string) {
  return { id: 'msg_01', type: 'message', role: 'assistant', model, stop_reason: null, stop_sequence: null };
}

interface Block {
  readonly start: Readonly<Record<string, unknown>>;
  readonly deltas: readonly Readonly<Record<string, string | undefined>>[];
}

function blocksOf({ text = [], thoughts = [], calls = [] }: WireAnswer): readonly Block[] {
  return [
    ...thoughts.map(({ text: thinking, signature, redacted }): Block => {
      if (redacted !== undefined) return { start: { type: 'redacted_thinking', data: redacted }, deltas: [] };
      const deltas = [
        { type: 'thinking_delta', thinking },
        { type: 'signature_delta', signature },
      ];
      return { start: { type: 'thinking', thinking: '', signature: '' }, deltas };
    }),
    ...(text.length > 0
      ? [{ start: { type: 'text', text: '' }, deltas: text.map((piece) => ({ type: 'text_delta', text: piece })) }]
      : []),
    ...calls.map(({ id, name, input }): Block => {
      const json = JSON.stringify(input);
      const parts = ['', ...(json.match(/[\s\S]{1,7}/g) ?? [])];
      const deltas = parts.map((partial_json) => ({ type: 'input_json_delta', partial_json }));
      return { start: { type: 'tool_use', id, name, input: {} }, deltas };
    }),
  ];
}

/** The fields of a block that its deltas bring. */
function wholeOf(deltas: Block['deltas']): Readonly<Record<string, unknown>> {
  const joined = (field: string): string => deltas.map((delta) => delta[field] ?? '').join('');
  const fields = ['text', 'thinking', 'signature'].map((field) => [field, joined(field)] as const);
  const json = joined('partial_json');
  return {
    ...Object.fromEntries(fields.filter(([, value]) => value !== '')),
    ...(json !== '' && { input: JSON.parse(json) as unknown }),
  };
}

function stopOf({ stop, calls = [] }: WireAnswer): string {
  const reasons = {
    stop: 'end_turn',
    length: 'max_tokens',
    'tool-calls': 'tool_use',
    refusal: 'refusal',
    pause: 'pause_turn',
  };
  return reasons[stop ?? (calls.length > 0 ? 'tool-calls' : 'stop')];
}

function promptUsage({ usage }: WireAnswer) {
  const { freshTokens, cacheReadTokens, cacheWriteTokens } = { ...usualUsage, ...usage };
  return {
    input_tokens: freshTokens,
    cache_read_input_tokens: cacheReadTokens,
    cache_creation_input_tokens: cacheWriteTokens,
  };
}

function outputUsage({ usage }: WireAnswer) {
  const { outputTokens, thinkingTokens } = { ...usualUsage, ...usage };
  return {
    output_tokens: outputTokens,
    ...(thinkingTokens > 0 && { output_tokens_details: { thinking_tokens: thinkingTokens } }),
  };
}

const errors: Readonly<Record<WireError, readonly [number, string, string]>> = {
  'rate-limited': [429, 'rate_limit_error', 'This request would exceed your rate limit of 50 requests per minute.'],
  overloaded: [529, 'overloaded_error', 'Overloaded'],
  internal: [500, 'api_error', 'Internal server error'],
  'context-length': [400, 'invalid_request_error', 'prompt is too long: 210000 tokens > 200000 maximum'],
  'bad-request': [400, 'invalid_request_error', 'messages.0.content: Input should be a valid list'],
  unauthorized: [401, 'authentication_error', 'invalid x-api-key'],
  forbidden: [403, 'permission_error', 'Your API key does not have permission to use the specified resource.'],
  'unknown-model': [404, 'not_found_error', 'model: claude-none'],
  'too-large': [413, 'request_too_large', 'Request exceeds the maximum size'],
};

function errorBody(error: WireError) {
  const [, type, message] = errors[error];
  return { type: 'error', error: { type, message }, request_id: 'req_01' };
}
