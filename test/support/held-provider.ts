import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { ChatMessage } from '../../src/contract/chat';
import { keepAliveTimeoutMs } from '../../src/local/simulator/simulator';

/**
 * A provider that answers nobody until it is told to: what a test does meanwhile, it does before the answer for certain. For a
 * whole service and in plain JSON; one whose streams are held piece by piece, for a single user, is the gateway's held model.
 */
export interface HeldProvider {
  readonly baseUrl: string;
  /** The `x-request-id` of every call, in the order in which they came. */
  readonly requestIds: readonly string[];
  /** Answers all calls, from now on at once, by repeating what was said last. */
  letGo(): void;
  close(): Promise<void>;
}

export async function startHeldProvider(): Promise<HeldProvider> {
  const requestIds: string[] = [];
  let letGo = (): void => undefined;
  const released = new Promise<void>((resolve) => (letGo = resolve));
  const server = createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (incoming, response) => {
    void json(incoming).then(async (body) => {
      const { model, messages } = body as { model: string; messages: readonly ChatMessage[] };
      requestIds.push(String(incoming.headers['x-request-id']));
      await released;
      const message = { role: 'assistant', content: messages.at(-1)?.content };
      const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ model, choices: [{ index: 0, message, finish_reason: 'stop' }], usage }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requestIds,
    letGo: () => letGo(),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
