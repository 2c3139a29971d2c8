/** A conversation that moves from a native provider to an OpenAI-compatible one. */
import type { ChatMessage } from '../../../src/contract/chat';
import { createProvider } from '../../../src/providers/create-provider';
import { completionRequest, userText } from '../completion-request';
import { startMisbehavingServer } from '../../support/misbehaving-server';
import { anthropicWire } from './anthropic-wire';
import { startWireServer } from './wire-server';

const settings = { name: 'any', readApiKey: () => undefined, maxConnections: 1, maxResponseBytes: 200_000 };

async function callsOfClaude() {
  const server = await startWireServer(anthropicWire);
  const claude = createProvider({ ...settings, kind: 'anthropic', baseUrl: server.baseUrl });
  server.queue({
    thoughts: [{ text: 'Which order?', signature: 'c2lnbmF0dXJl' }],
    calls: [{ id: 'toolu_01', name: 'find_order', input: { id: 'abc' } }],
  });
  const answer = await claude.complete(completionRequest({ model: anthropicWire.model }));
  await claude.close();
  await server.close();
  if (answer.kind === 'failed') throw new Error(answer.failure.message);
  return answer.toolCalls ?? [];
}

test.each([
  ['deepseek-v3.2', false],
  // Google's own OpenAI-compatible API has its signatures in the same field.
  ['gemini-3-pro', true],
])(
  '%s gets the calls of Claude, and the field with its signatures only if it may have some of its own',
  async (model, kept) => {
    const calls = await callsOfClaude();
    expect(JSON.stringify(calls)).toContain('c2lnbmF0dXJl');
    const busy = await startMisbehavingServer((socket) => socket.end('HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n'));
    const compatible = createProvider({ ...settings, baseUrl: `http://${busy.address}/v1` });
    const messages: ChatMessage[] = [
      { role: 'user', content: userText },
      { role: 'assistant', content: null, tool_calls: calls },
      { role: 'tool', content: 'sent', tool_call_id: 'toolu_01' },
    ];
    await compatible.complete(completionRequest({ model, messages }));
    expect(busy.received()).toContain('"toolu_01"');
    expect(busy.received().includes('extra_content')).toBe(kept);
    await compatible.close();
    await busy.close();
  },
);
