/** What is particular to single kinds of native providers. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ChatMessage } from '../../../src/contract/chat';
import type { CompletionRequest, Provider } from '../../../src/contract/provider';
import { createProvider } from '../../../src/providers/create-provider';
import { completionRequest, patient, userText } from '../completion-request';
import { bedrockWire, event, exception } from './bedrock-wire';
import { googleWire } from './google-wire';
import { azureWire, responsesWire } from './responses-wire';
import { startWireServer, type WireFormat, type WireServer } from './wire-server';

let server: WireServer;
let provider: Provider;

async function start(wire: WireFormat): Promise<void> {
  server = await startWireServer(wire);
  const { kind } = wire;
  const readApiKey = (): string => 'sk-key';
  const limits = { maxConnections: 1, maxResponseBytes: 200_000 };
  provider = createProvider({ name: 'native', kind, baseUrl: server.baseUrl, readApiKey, ...limits });
}

afterEach(async () => {
  await provider.close();
  await server.close();
});

async function answerOf(model: string, isStreamed: boolean, changes: Partial<CompletionRequest> = {}) {
  const stream = isStreamed ? { limits: patient, onText: () => undefined } : undefined;
  const result = await provider.complete(completionRequest({ model, stream, ...changes }));
  if (result.kind === 'failed') throw new Error(result.failure.message);
  return { ...result, sent: server.requests.at(-1)?.body };
}

const calls = ['a', 'b'].map((id) => ({ id: `call_${id}`, name: 'find_order', input: { id } }));
const tools = [{ type: 'function', function: { name: 'find_order', parameters: { type: 'object' } } }];

async function sentAfterCalls(model: string, isStreamed: boolean) {
  const { content, toolCalls = [] } = await answerOf(model, isStreamed, { options: { tools } });
  const results = toolCalls.map(({ id }) => ({ role: 'tool' as const, content: 'sent', tool_call_id: id }));
  const history: ChatMessage[] = [
    { role: 'user', content: userText },
    { role: 'assistant', content, tool_calls: toolCalls },
    ...results,
  ];
  // As it goes through Temporal and a client.
  const messages = JSON.parse(JSON.stringify(history)) as ChatMessage[];
  return answerOf(model, isStreamed, { messages, options: { tools } });
}

const ways = [
  ['streamed', true],
  ['plain', false],
] as const;

describe('google', () => {
  beforeEach(() => start(googleWire));

  test.each(ways)('%s: the signature of a call comes back to the model with the call', async (_way, isStreamed) => {
    server.queue({ calls, thoughts: [{ text: 'Which order?', signature: 'c2ln' }] });
    const { sent } = await sentAfterCalls(googleWire.model, isStreamed);
    const contents = sent?.['contents'] as readonly { readonly role: string; readonly parts: readonly object[] }[];
    expect(contents.find(({ role }) => role === 'model')?.parts).toMatchObject([
      { functionCall: { name: 'find_order', args: { id: 'a' } }, thoughtSignature: 'c2ln' },
      { functionCall: { name: 'find_order', args: { id: 'b' } } },
    ]);
    expect(JSON.stringify(sent)).not.toContain('skip_thought_signature_validator');
  });

  test.each(ways)('%s: thoughts are paid beside the tokens of the answer', async (_way, isStreamed) => {
    const usage = { freshTokens: 100, cacheReadTokens: 40, outputTokens: 9, thinkingTokens: 4 };
    server.queue({ text: ['Hello.'], usage });
    expect(await answerOf(googleWire.model, isStreamed)).toMatchObject({
      usage: { promptTokens: 140, cachedPromptTokens: 40, completionTokens: 9, reasoningTokens: 4 },
    });
  });

  test.each([
    ['gemini-3-pro', { reasoning_effort: 'high' }, { thinkingLevel: 'high', includeThoughts: true }],
    ['gemini-2.5-flash', { reasoning_effort: 'low' }, { thinkingBudget: 200, includeThoughts: true }],
    ['gemini-2.5-flash', { reasoning_effort: 'none' }, { thinkingBudget: 0 }],
    ['gemini-2.5-pro', { reasoning_effort: 'none' }, { thinkingBudget: 128 }],
    ['gemini-2.5-pro', {}, undefined],
  ])('%s thinks as it is asked to: %j', async (model, options, thinkingConfig) => {
    const { sent } = await answerOf(model, false, { options });
    expect(sent?.['generationConfig']).toEqual({ maxOutputTokens: 1000, temperature: 0.7, thinkingConfig });
  });

  test('an answer goes on after a finish reason that stands in each of its events', async () => {
    const chunk = (text: string) =>
      `data: ${JSON.stringify({
        candidates: [{ content: { role: 'model', parts: [{ text }] }, finishReason: 'STOP' }],
        usageMetadata: { promptTokenCount: 12, candidatesTokenCount: 7 },
      })}\r\n\r\n`;
    await Promise.all([provider.close(), server.close()]);
    const heard = { text: '' };
    const rest = { send: (): void => undefined };
    const slow = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(chunk('Your order'));
      rest.send = () => response.end(chunk(' is on its way.'));
    });
    await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
    const { port } = slow.address() as AddressInfo;
    const settings = { name: 'native', kind: 'google', readApiKey: () => 'sk-key', maxConnections: 1 } as const;
    provider = createProvider({ ...settings, baseUrl: `http://127.0.0.1:${port}`, maxResponseBytes: 200_000 });
    const onText = (text: string): void => {
      heard.text += text;
      if (heard.text === 'Your order') setImmediate(() => rest.send());
    };
    const stream = { limits: patient, onText };
    const answer = await provider.complete(completionRequest({ model: googleWire.model, stream }));
    expect(answer).toMatchObject({ kind: 'completed', content: 'Your order is on its way.' });
    slow.closeAllConnections();
    slow.close();
  });

  test('an answer that Gemini would go on with takes no second request', async () => {
    const candidates = [
      { content: { parts: [{ text: 'One' }] }, finishReason: 'CONTINUATION', continuationToken: 't' },
    ];
    await Promise.all([provider.close(), server.close()]);
    await start({ ...googleWire, whole: () => ({ candidates }) });
    const result = await provider.complete(completionRequest({ model: googleWire.model }));
    expect(result).toMatchObject({ kind: 'failed', failure: { charge: 'unknown' } });
    expect(server.requests).toHaveLength(1);
  });
});

describe.each([responsesWire, azureWire].map((wire) => [wire.kind, wire] as const))('%s', (_kind, wire) => {
  beforeEach(() => start(wire));

  test.each(ways)('%s: encrypted thoughts come back to the model, and nothing is stored', async (_way, isStreamed) => {
    server.queue({ calls, thoughts: [{ text: '', redacted: 'encrypted' }] });
    const { sent } = await sentAfterCalls(wire.model, isStreamed);
    expect(sent).toMatchObject({ store: false, include: ['reasoning.encrypted_content'], max_output_tokens: 1000 });
    expect(sent?.['input']).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ type: 'reasoning', encrypted_content: 'encrypted' }),
        expect.objectContaining({ type: 'function_call', call_id: 'call_a' }),
        expect.objectContaining({ type: 'function_call_output', call_id: 'call_b' }),
      ]),
    );
  });
});

describe('bedrock', () => {
  const model = bedrockWire.model;

  test.each([
    ['throttlingException', 'rate-limited'],
    ['modelStreamErrorException', 'server-error'],
    ['internalServerException', 'server-error'],
    ['serviceUnavailableException', 'server-error'],
    ['modelTimeoutException', 'server-error'],
    ['validationException', 'bad-request'],
    ['accessDeniedException', 'unauthorized'],
  ])('%s in a stream is reported as %s', async (type, kind) => {
    const begun = [event('messageStart', { role: 'assistant' }), exception(type, 'Something went wrong.')];
    await start({ ...bedrockWire, events: () => begun });
    const stream = { limits: patient, onText: () => undefined };
    const result = await provider.complete(completionRequest({ model, stream }));
    expect(result).toMatchObject({ kind: 'failed', failure: { kind, charge: 'unknown' } });
  });

  test.each(ways)('%s: a conversation that has filled the context is cut', async (_way, isStreamed) => {
    await start(bedrockWire);
    server.queue({ text: ['One'], stop: 'pause' });
    expect(await answerOf(model, isStreamed)).toMatchObject({ content: 'One', finishReason: 'length' });
  });

  test('Claude thinks as it is asked to, within the limit, and other models are not told to', async () => {
    await start(bedrockWire);
    const options = { thinking: { type: 'enabled', budget_tokens: 1_500 }, parallel_tool_calls: false };
    const { sent } = await answerOf(model, true, { options, maxTokens: 4_000 });
    expect(sent).toMatchObject({
      inferenceConfig: { maxTokens: 4_000 },
      additionalModelRequestFields: { thinking: { type: 'enabled', budget_tokens: 1_500 } },
    });
    const other = await answerOf('amazon.nova-pro-v1:0', true, { options, maxTokens: 4_000 });
    expect(other.sent).not.toHaveProperty('additionalModelRequestFields');
    expect(server.requests.map(({ path }) => path)).toEqual([
      `/model/${encodeURIComponent(model)}/converse-stream`,
      '/model/amazon.nova-pro-v1%3A0/converse-stream',
    ]);
  });

  test('what a caller marks is cached, with one point for each mark', async () => {
    await start(bedrockWire);
    const marked = [{ type: 'text', text: userText, cache_control: { type: 'ephemeral' } }];
    const messages = ['system', 'user'].map((role) => ({ role, content: marked })) as unknown as ChatMessage[];
    const { sent } = await answerOf(model, false, { messages });
    const point = { cachePoint: { type: 'default' } };
    expect(sent).toMatchObject({
      system: [{ text: userText }, point],
      messages: [{ role: 'user', content: [{ text: userText }, point] }],
    });
  });

  test.each(ways)('%s: an answer in a given form is text', async (_way, isStreamed) => {
    await start(bedrockWire);
    const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
    const options = { response_format: { type: 'json_schema', json_schema: { name: 'place', schema } } };
    server.queue({ calls: [{ id: 'tooluse_1', name: 'json', input: { city: 'Graz' } }] });
    const answer = await answerOf('amazon.nova-pro-v1:0', isStreamed, { options });
    expect(answer).toMatchObject({ content: '{"city":"Graz"}', finishReason: 'stop' });
    expect(answer.toolCalls ?? []).toEqual([]);
  });
});

test.each([googleWire, responsesWire, azureWire].map((wire) => [wire.kind, wire] as const))(
  '%s: the key travels in its header alone, and the models are listed',
  async (_kind, wire) => {
    await start(wire);
    await answerOf(wire.model, false);
    expect(server.requests[0]?.headers).toMatchObject(wire.keyHeaders('sk-key'));
    expect(JSON.stringify(server.requests[0])).not.toContain('unused');
    expect(await provider.listModels(10_000)).toMatchObject({ kind: 'listed', models: [wire.model] });
  },
);
