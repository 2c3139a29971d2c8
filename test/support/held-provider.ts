import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { ChatMessage } from '../../src/contract/chat';
import { keepAliveTimeoutMs } from '../../src/local/simulator/simulator';

/**
 * A provider that answers no call until the test releases them, so that the test can act before the answers for
 * certain. For a whole service, in plain JSON; the gateway's held model holds a single user's stream piece by piece.
 */
export interface HeldProvider {
  readonly baseUrl: string;
  /** The `x-request-id` of every call, in order of arrival. */
  readonly requestIds: readonly string[];
  /** Answers all held calls, and later ones at once, by repeating their last message. */
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
