/** What a native provider of any kind answers, streamed and plain, comes in the terms of an OpenAI-compatible one. */
import type { ChatMessage } from '../../../src/contract/chat';
import type { CompletionRequest, CompletionResult, Provider } from '../../../src/contract/provider';
import { createProvider } from '../../../src/providers/create-provider';
import { completionRequest, patient, userText } from '../completion-request';
import { startWireServer, type WireAnswer, type WireServer } from './wire-server';
import { wires } from './wires';

const tools = [
  {
    type: 'function',
    function: {
      name: 'find_order',
      description: 'Finds an order.',
      parameters: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
    },
  },
];

const twoCalls: WireAnswer = {
  text: ['I look.'],
  calls: [
    { id: 'toolu_01', name: 'find_order', input: { id: 'abc', note: 'a "quoted" word' } },
    { id: 'toolu_02', name: 'find_order', input: {} },
  ],
};

type Completed = Extract<CompletionResult, { kind: 'completed' }>;

describe.each(wires.map((wire) => [wire.kind, wire] as const))('%s', (_kind, wire) => {
  let server: WireServer;
  let provider: Provider;
  let keys: string[];

  beforeEach(async () => {
    server = await startWireServer(wire);
    keys = ['sk-first-key'];
    provider = createProvider({
      name: 'native',
      kind: wire.kind,
      baseUrl: server.baseUrl,
      readApiKey: ({ refresh }) => (refresh ? keys.at(-1) : keys[0]),
      maxConnections: 1,
      maxResponseBytes: 200_000,
    });
  });

  afterEach(async () => {
    await provider.close();
    await server.close();
  });

  async function answerOf(isStreamed: boolean, changes: Partial<CompletionRequest> = {}): Promise<Completed> {
    let heard = '';
    const stream = isStreamed ? { limits: patient, onText: (text: string) => void (heard += text) } : undefined;
    const result = await provider.complete(completionRequest({ model: wire.model, stream, ...changes }));
    if (result.kind === 'failed') throw new Error(result.failure.message);
    if (isStreamed) expect(heard).toBe(result.content);
    return result;
  }

  describe.each([
    ['streamed', true],
    ['plain', false],
  ])('%s', (_way, isStreamed) => {
    test('a text, with the model that answered and what it took', async () => {
      server.queue({
        text: ['Hel', 'lo.'],
        usage: { freshTokens: 100, cacheReadTokens: 40, cacheWriteTokens: 20, outputTokens: 9, thinkingTokens: 4 },
        thoughts: [{ text: 'They greet me.', signature: 'sig' }],
      });
      expect(await answerOf(isStreamed)).toMatchObject({
        content: 'Hello.',
        thoughts: 'They greet me.',
        model: wire.model,
        finishReason: 'stop',
        usage: {
          promptTokens: wire.hasFreeCache ? 140 : 160,
          cachedPromptTokens: 40,
          ...(!wire.hasFreeCache && { cacheWriteTokens: 20 }),
          completionTokens: 9,
          ...(!wire.hidesThinkingTokens && { reasoningTokens: 4 }),
        },
      });
    });

    test('parallel tool calls, with their arguments as text', async () => {
      server.queue(twoCalls);
      const answer = await answerOf(isStreamed, { options: { tools } });
      expect(answer).toMatchObject({ content: 'I look.', finishReason: 'tool_calls' });
      const called = answer.toolCalls?.map(({ type, function: named }) => [type, named]) ?? [];
      expect(called).toEqual([
        ['function', { name: 'find_order', arguments: '{"id":"abc","note":"a \\"quoted\\" word"}' }],
        ['function', { name: 'find_order', arguments: '{}' }],
      ]);
    });

    test('the thoughts that led to tool calls come back to the model exactly as it said them', async () => {
      const thoughts = [{ text: 'Which order? abc.', signature: 'c2lnbmF0dXJl' }];
      server.queue({ ...twoCalls, thoughts });
      const answer = await answerOf(isStreamed, { options: { tools } });
      const history: ChatMessage[] = [
        { role: 'user', content: userText },
        { role: 'assistant', content: answer.content, tool_calls: answer.toolCalls ?? [] },
        ...(answer.toolCalls ?? []).map(({ id }) => ({ role: 'tool' as const, content: 'sent', tool_call_id: id })),
      ];
      // As it goes through Temporal and a client.
      const messages = JSON.parse(JSON.stringify(history)) as ChatMessage[];
      await answerOf(isStreamed, { messages, options: { tools } });
      const sent = JSON.stringify(server.requests.at(-1)?.body);
      for (const { text, signature } of thoughts) {
        if (!wire.forgetsThoughts) expect(sent).toContain(text);
        expect(sent).toContain(signature);
      }
      expect(sent).not.toContain('extra_content');
    });

    test.each<[string, WireAnswer, string]>([
      ['the limit', { text: ['One, two'], stop: 'length' }, 'length'],
      ['the limit before a word', { stop: 'length' }, 'length'],
      ['its own rules, after it began', { text: ['I can'], stop: 'refusal' }, 'content_filter'],
    ])('an answer that ends because of %s', async (_why, answer, finishReason) => {
      server.queue(answer);
      expect(await answerOf(isStreamed)).toMatchObject({ finishReason, content: answer.text?.join('') ?? '' });
    });

    test('an answer that the model withholds', async () => {
      server.queue({ stop: 'refusal' });
      await expect(answerOf(isStreamed)).rejects.toThrow(/withheld the answer because of its content rules/);
    });

    test('an empty answer', async () => {
      server.queue({});
      await expect(answerOf(isStreamed)).rejects.toThrow(/neither text nor a tool call/);
    });
  });

  test('the key is in its place, is read again once after its refusal, and is in no message', async () => {
    keys = ['sk-first-key', 'sk-second-key'];
    server.queue({ kind: 'error', error: 'unauthorized' });
    await answerOf(true);
    expect(server.requests.map(({ headers }) => headers)).toMatchObject([
      wire.keyHeaders('sk-first-key'),
      wire.keyHeaders('sk-second-key'),
    ]);
    for (const { headers } of server.requests) {
      expect(headers).toMatchObject({ 'x-request-id': 'turn-1.1', 'accept-encoding': 'identity' });
      expect(JSON.stringify(headers)).not.toMatch(/unused|ai-sdk/);
    }
    server.queue({ kind: 'error', error: 'unauthorized' }, { kind: 'error', error: 'unauthorized' });
    await expect(answerOf(true)).rejects.toThrow(/the API key was rejected/);
  });

  test('a picture goes along, given as data or as an address', async () => {
    const content: Extract<ChatMessage['content'], readonly unknown[]> = [
      { type: 'text', text: userText },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,aVZCT1J3MEtHZ28=' } },
      ...(wire.takesNoAddresses
        ? []
        : [{ type: 'image_url' as const, image_url: { url: 'https://pictures.example.com/cat.png' } }]),
    ];
    await answerOf(false, { messages: [{ role: 'user', content }] });
    const sent = JSON.stringify(server.requests[0]?.body);
    expect(sent).toContain('aVZCT1J3MEtHZ28=');
    expect(sent).toMatch(/\bpng\b/);
    if (!wire.takesNoAddresses) expect(sent).toContain('https://pictures.example.com/cat.png');
  });

  test('a request that has no form at the provider is refused before it is sent, without its text', async () => {
    const result = await provider.complete(
      completionRequest({ model: wire.model, options: { tools: [{ type: 'custom', custom: { name: userText } }] } }),
    );
    expect(result).toMatchObject({ kind: 'failed', receivedBytes: false });
    if (result.kind !== 'failed') return;
    expect(result.failure).toMatchObject({ kind: 'bad-request', charge: 'not-charged', retryable: false });
    expect(result.failure.message).toMatch(/tool is of the type custom/);
    expect(result.failure.message).not.toContain(userText);
    expect(server.requests).toHaveLength(0);
  });

  test('its models are listed', async () => {
    const expected = wire.listsNoModels
      ? { kind: 'failed', failure: { message: expect.stringContaining('no list of models') as string } }
      : { kind: 'listed', status: 200, models: [wire.model] };
    expect(await provider.listModels(5_000)).toMatchObject(expected);
  });
});
