/** What only Anthropic's API is asked for. */
import type { ChatMessage } from '../../../src/contract/chat';
import type { CompletionRequest, Provider } from '../../../src/contract/provider';
import { createProvider } from '../../../src/providers/create-provider';
import { completionRequest, patient, userText } from '../completion-request';
import { anthropicWire } from './anthropic-wire';
import { startWireServer, type WireServer } from './wire-server';

const settings = {
  name: 'claude',
  kind: 'anthropic',
  readApiKey: () => 'sk-first-key',
  maxConnections: 1,
  maxResponseBytes: 200_000,
} as const;

let server: WireServer;
let provider: Provider;

beforeEach(async () => {
  server = await startWireServer(anthropicWire);
  provider = createProvider({ ...settings, baseUrl: server.baseUrl });
});

afterEach(async () => {
  await provider.close();
  await server.close();
});

const user: ChatMessage = { role: 'user', content: userText };
const tools = [{ type: 'function', function: { name: 'find_order', parameters: { type: 'object', properties: {} } } }];

/** The body of the request that is sent. */
async function sent(changes: Partial<CompletionRequest>): Promise<Record<string, unknown>> {
  const result = await provider.complete(completionRequest({ model: 'claude-sonnet-4-5', ...changes }));
  if (result.kind === 'failed') throw new Error(result.failure.message);
  return { ...server.requests.at(-1)?.body };
}

test('a plain question', async () => {
  expect(await sent({})).toEqual({
    model: 'claude-sonnet-4-5',
    max_tokens: 1000,
    temperature: 0.7,
    messages: [{ role: 'user', content: [{ type: 'text', text: userText }] }],
  });
  expect(server.requests[0]?.path).toBe('/v1/messages');
});

test('what other providers and clients put into a history becomes valid', async () => {
  const call = { id: 'functions.find_order:0', type: 'function', function: { name: 'find_order', arguments: '{"id"' } };
  const foreign = { ...call, extra_content: { google: { thoughts: [{ text: '', signature: 'x' }] }, anthropic: 7 } };
  const body = await sent({
    messages: [
      { role: 'developer', content: 'Be kind.' },
      { role: 'assistant', content: 'Hello! How can I help?' },
      { role: 'user', content: '' },
      user,
      { role: 'system', content: 'Be brief.' },
      { role: 'assistant', content: null, tool_calls: [foreign], reasoning_content: 'Not for Anthropic.' },
      { role: 'tool', content: 'sent', tool_call_id: call.id },
    ],
    options: { tools, reasoning_effort: 'high' },
    maxTokens: 4_000,
  });
  expect(body['system']).toEqual([
    { type: 'text', text: 'Be kind.' },
    { type: 'text', text: 'Be brief.' },
  ]);
  expect(body['messages']).toEqual([
    { role: 'user', content: [{ type: 'text', text: '…' }] },
    { role: 'assistant', content: [{ type: 'text', text: 'Hello! How can I help?' }] },
    { role: 'user', content: [{ type: 'text', text: userText }] },
    {
      role: 'assistant',
      content: [{ type: 'tool_use', id: 'functions_find_order_0', name: 'find_order', input: { arguments: '{"id"' } }],
    },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'functions_find_order_0', content: 'sent' }] },
  ]);
  // Anthropic refuses to think on from calls whose thoughts it does not get.
  expect(body['thinking']).toBeUndefined();
});

test('a history with blank texts, and with ids that each round of calls begins anew, becomes valid', async () => {
  const round = (result: string): ChatMessage[] => [
    {
      role: 'assistant',
      content: '\n\n',
      tool_calls: [{ id: 'call_0', type: 'function', function: { name: 'find_order', arguments: '{}' } }],
    },
    { role: 'tool', content: result, tool_call_id: 'call_0' },
  ];
  const body = await sent({ messages: [user, ...round('first'), ...round('second')], options: { tools } });
  const use = { type: 'tool_use', name: 'find_order', input: {} };
  expect((body['messages'] as readonly unknown[]).slice(1)).toEqual([
    { role: 'assistant', content: [{ ...use, id: 'call_0' }] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'call_0', content: 'first' }] },
    { role: 'assistant', content: [{ ...use, id: 'call_0_1' }] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'call_0_1', content: 'second' }] },
  ]);
});

test('the arguments of a call count before the call is whole', async () => {
  const events = anthropicWire.events({ calls: [{ id: 't1', name: 'find_order', input: 'x'.repeat(30_000) }] }, 'm');
  const endless = await startWireServer({ ...anthropicWire, events: () => events.slice(0, -3) });
  const other = createProvider({ ...settings, baseUrl: endless.baseUrl, maxResponseBytes: 20_000 });
  const stream = { limits: patient, onText: () => undefined };
  expect(await other.complete(completionRequest({ model: 'claude-sonnet-4-5', stream }))).toMatchObject({
    kind: 'failed',
    failure: { kind: 'response-too-large' },
  });
  await other.close();
  await endless.close();
});

test.each<[string, string, Record<string, unknown>, Record<string, unknown>]>([
  ['an effort', 'claude-sonnet-4-5', { reasoning_effort: 'medium' }, { type: 'enabled', budget_tokens: 2000 }],
  [
    'a budget over the limit',
    'claude-sonnet-4-5',
    { thinking: { type: 'enabled', budget_tokens: 50_000 } },
    { type: 'enabled', budget_tokens: 3999 },
  ],
  ['an effort, of a model that decides itself', 'claude-opus-4-7', { reasoning_effort: 'high' }, { type: 'adaptive' }],
])('thinking stays within the limit that was reserved: %s', async (_how, model, options, thinking) => {
  const body = await sent({ model, options, maxTokens: 4_000 });
  expect(body).toMatchObject({ max_tokens: 4_000, thinking });
  expect(body['temperature']).toBeUndefined();
});

test.each([
  ['the limit leaves no room for it', { reasoning_effort: 'high' }, 1_000],
  ['a tool has to be called', { reasoning_effort: 'high', tools, tool_choice: 'required' }, 4_000],
])('the model does not think when %s', async (_when, options, maxTokens) => {
  const body = await sent({ options, maxTokens });
  expect(body).toMatchObject({ max_tokens: maxTokens });
  expect(body['thinking']).toBeUndefined();
});

test('tools, stops and a format of the answer', async () => {
  const schema = {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  };
  const body = await sent({
    options: {
      tools,
      tool_choice: { type: 'function', function: { name: 'find_order' } },
      parallel_tool_calls: false,
      stop: ['END', ''],
      seed: 7,
      top_p: 0.5,
      response_format: { type: 'text' },
    },
    rules: { omit: [], rename: {}, exclusive: [['temperature', 'top_p']], developer: 'system' },
  });
  expect(body).toMatchObject({
    tools: [{ name: 'find_order', input_schema: { type: 'object' } }],
    tool_choice: { type: 'tool', name: 'find_order', disable_parallel_tool_use: true },
    stop_sequences: ['END'],
    temperature: 0.7,
  });
  expect(body['top_p']).toBeUndefined();
  const formatted = await sent({
    options: { response_format: { type: 'json_schema', json_schema: { name: 'c', schema } } },
  });
  expect(formatted).toMatchObject({ output_config: { format: { type: 'json_schema', schema } } });
});

test('an answer that pauses is told as cut, not as complete', async () => {
  server.queue({ text: ['I look it'], stop: 'pause' });
  expect(await provider.complete(completionRequest({ model: 'claude-sonnet-4-5' }))).toMatchObject({
    kind: 'completed',
    finishReason: 'length',
  });
});

test('thoughts that only Anthropic can read come back as they came', async () => {
  server.queue({
    thoughts: [{ text: '', redacted: 'ZW5jcnlwdGVk' }],
    calls: [{ id: 't1', name: 'find_order', input: {} }],
  });
  const stream = { limits: patient, onText: () => undefined };
  const answer = await provider.complete(completionRequest({ model: 'claude-sonnet-4-5', stream, options: { tools } }));
  if (answer.kind === 'failed') throw new Error(answer.failure.message);
  const calls = answer.toolCalls ?? [];
  const messages: ChatMessage[] = [
    user,
    { role: 'assistant', content: null, tool_calls: calls },
    { role: 'tool', content: 'sent', tool_call_id: 't1' },
  ];
  const body = await sent({ messages, maxTokens: 4_000, options: { tools, reasoning_effort: 'low' } });
  expect(body['thinking']).toEqual({ type: 'enabled', budget_tokens: 1024 });
  expect(JSON.stringify(body['messages'])).toContain('{"type":"redacted_thinking","data":"ZW5jcnlwdGVk"}');
});

test('what a caller marks is cached, for five minutes', async () => {
  const marked = { cache_control: { type: 'ephemeral', ttl: '1h' } };
  const body = await sent({
    messages: [
      { role: 'system', content: [{ type: 'text', text: 'Be kind.', ...marked }] },
      { role: 'user', content: [{ type: 'text', text: userText, ...marked }] },
    ],
    options: { tools: tools.map((tool) => ({ ...tool, ...marked })) },
  });
  const cached = { cache_control: { type: 'ephemeral' } };
  expect(body).toMatchObject({
    system: [{ text: 'Be kind.', ...cached }],
    messages: [{ role: 'user', content: [{ text: userText, ...cached }] }],
    tools: [{ name: 'find_order', ...cached }],
  });
  expect(JSON.stringify(body)).not.toContain('1h');
});

test('events that Anthropic may add to a stream are passed over', async () => {
  const events = anthropicWire.events({ text: ['Hello.'] }, 'claude-sonnet-4-5').map(String);
  const stranger = 'event: weather\ndata: {"type":"weather","sun":true}\n\n';
  const other = await startWireServer({
    ...anthropicWire,
    events: () => [stranger, ...events.flatMap((each) => [each, stranger])],
  });
  const weatherly = createProvider({ ...settings, baseUrl: other.baseUrl });
  const stream = { limits: patient, onText: () => undefined };
  const request = completionRequest({ model: 'claude-sonnet-4-5', stream });
  expect(await weatherly.complete(request)).toMatchObject({ kind: 'completed', content: 'Hello.' });
  await weatherly.close();
  await other.close();
});
