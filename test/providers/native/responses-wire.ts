import { usualUsage, type WireAnswer, type WireError, type WireFormat } from './wire-server';

type Fields = Readonly<Record<string, unknown>>;

/** OpenAI's Responses API, as its documentation describes it. */
export const responsesWire: WireFormat = {
  kind: 'openai-responses',
  model: 'gpt-5.1',
  basePath: '/v1',
  streamType: 'text/event-stream; charset=utf-8',
  isStreamed: ({ body }) => body['stream'] === true,
  whole: (answer, model) => responseOf(answer, model, statusOf(answer)),
  events(answer, model) {
    const events: Fields[] = [{ type: 'response.created', response: responseOf({}, model, 'in_progress') }];
    itemsOf(answer).forEach((item, output_index) => {
      events.push({ type: 'response.output_item.added', output_index, item: { ...item, ...begun[item.type] } });
      events.push(...deltasOf(item, answer).map((delta) => ({ output_index, item_id: item.id, ...delta })));
      events.push({ type: 'response.output_item.done', output_index, item });
    });
    const status = statusOf(answer);
    events.push({ type: `response.${status}`, response: responseOf(answer, model, status) });
    return events.map((data, sequence_number) => event({ ...data, sequence_number }));
  },
  error: (error) => ({ status: errors[error][0], body: { error: errorOf(error) } }),
  errorEvent: (error) =>
    event({ type: 'response.failed', sequence_number: 9, response: { id: 'resp_1', error: errorOf(error) } }),
  malformedEvent: 'data: {"type":"response.output_text.delta","del\n\n',
  heartbeat: null,
  modelList: (models) => ({ object: 'list', data: models.map((id) => ({ id, object: 'model' })) }),
  keyHeaders: (apiKey) => ({ authorization: `Bearer ${apiKey}` }),
};

/** The same format with Azure's headers. */
export const azureWire: WireFormat = {
  ...responsesWire,
  kind: 'azure',
  basePath: '/openai/v1',
  keyHeaders: (apiKey) => ({ 'api-key': apiKey }),
};

function event(data: Fields): string {
  return `event: ${String(data['type'])}\ndata: ${JSON.stringify(data)}\n\n`;
}

function responseOf(answer: WireAnswer, model: string, status: string) {
  return {
    id: 'resp_1',
    object: 'response',
    created_at: 1_760_000_000,
    model,
    status,
    output: status === 'in_progress' ? [] : itemsOf(answer),
    incomplete_details: status === 'incomplete' ? { reason: reasonOf(answer) } : null,
    error: null,
    usage: status === 'in_progress' ? null : usageOf(answer),
  };
}

function statusOf({ stop }: WireAnswer): string {
  return stop === 'length' || stop === 'refusal' ? 'incomplete' : 'completed';
}

function reasonOf({ stop }: WireAnswer): string {
  return stop === 'refusal' ? 'content_filter' : 'max_output_tokens';
}

interface Item extends Fields {
  readonly type: 'reasoning' | 'message' | 'function_call';
  readonly id: string;
}

function itemsOf({ text = [], thoughts = [], calls = [] }: WireAnswer): readonly Item[] {
  const content = [{ type: 'output_text', text: text.join(''), annotations: [] }];
  return [
    ...thoughts.map((thought, at): Item => ({
      type: 'reasoning',
      id: `rs_${at}`,
      summary: thought.text === '' ? [] : [{ type: 'summary_text', text: thought.text }],
      encrypted_content: thought.redacted ?? thought.signature ?? null,
    })),
    ...(text.length > 0
      ? [{ type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', content } satisfies Item]
      : []),
    ...calls.map(({ id, name, input }): Item => ({
      type: 'function_call',
      id: `fc_${id}`,
      call_id: id,
      name,
      arguments: JSON.stringify(input),
      status: 'completed',
    })),
  ];
}

/** What an item has when it begins. */
const begun: Readonly<Record<Item['type'], Fields>> = {
  reasoning: { summary: [] },
  message: { content: [], status: 'in_progress' },
  function_call: { arguments: '', status: 'in_progress' },
};

function deltasOf(item: Item, { text = [], thoughts = [] }: WireAnswer): readonly Fields[] {
  if (item.type === 'message') {
    return text.map((delta) => ({ type: 'response.output_text.delta', content_index: 0, delta }));
  }
  if (item.type === 'reasoning') {
    const said = thoughts[Number(item.id.slice(3))]?.text ?? '';
    const summary_index = 0;
    if (said === '') return [];
    return [
      { type: 'response.reasoning_summary_part.added', summary_index, part: { type: 'summary_text', text: '' } },
      { type: 'response.reasoning_summary_text.delta', summary_index, delta: said },
      { type: 'response.reasoning_summary_part.done', summary_index, part: { type: 'summary_text', text: said } },
    ];
  }
  return [{ type: 'response.function_call_arguments.delta', delta: item['arguments'] }];
}

function usageOf({ usage }: WireAnswer) {
  const { freshTokens, cacheReadTokens, cacheWriteTokens, outputTokens, thinkingTokens } = { ...usualUsage, ...usage };
  const input_tokens = freshTokens + cacheReadTokens + cacheWriteTokens;
  return {
    input_tokens,
    input_tokens_details: { cached_tokens: cacheReadTokens, cache_write_tokens: cacheWriteTokens },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: thinkingTokens },
    total_tokens: input_tokens + outputTokens,
  };
}

const errors: Readonly<Record<WireError, readonly [number, string, string]>> = {
  'rate-limited': [429, 'rate_limit_exceeded', 'Rate limit reached for requests.'],
  overloaded: [503, 'server_error', 'The engine is currently overloaded, please try again later.'],
  internal: [500, 'server_error', 'The server had an error while processing your request.'],
  'context-length': [400, 'context_length_exceeded', 'Your input exceeds the context window of this model.'],
  'bad-request': [400, 'invalid_type', 'Invalid type for input[0].'],
  unauthorized: [401, 'invalid_api_key', 'Incorrect API key provided.'],
  forbidden: [403, 'permission_denied', 'You have insufficient permissions for this operation.'],
  'unknown-model': [404, 'model_not_found', 'The requested model does not exist.'],
  'too-large': [413, 'request_too_large', 'The request is too large.'],
};

function errorOf(error: WireError) {
  const [status, code, message] = errors[error];
  return { message, type: status === 429 ? 'requests' : 'invalid_request_error', param: null, code };
}
