import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { keepAliveTimeoutMs } from '../../src/local/simulator/simulator';

/** What the provider charges for: the prompt, and each token until the end of the answer or of the connection. */
interface BilledCall {
  /** Of the call, `{turnId}.{attempt}`. */
  readonly requestId: string;
  readonly promptTokens: number;
  tokens: number;
  /** Of `performance`; null while the answer is being made. */
  endedAtMs: number | null;
  isWhole: boolean;
}

export interface StrictProvider {
  readonly baseUrl: string;
  readonly calls: readonly BilledCall[];
  /** Ends the answers of all calls in their midst. */
  breakOff(): void;
  close(): Promise<void>;
}

const promptTokens = 10;

/** A provider that streams a token at a time, and keeps a strict log of what it charges for. */
export async function startStrictProvider({ tokens = 60, gapMs = 10 } = {}): Promise<StrictProvider> {
  const calls: BilledCall[] = [];
  const server = createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (request, response) => {
    const requestId = String(request.headers['x-request-id']);
    const call: BilledCall = { requestId, promptTokens, tokens: 0, endedAtMs: null, isWhole: false };
    request.resume();
    calls.push(call);
    response.once('close', () => (call.endedAtMs ??= performance.now()));
    const send = (chunk: object) => response.write(`data: ${JSON.stringify(chunk)}\n\n`);
    const answer = async (): Promise<void> => {
      await sleep(gapMs);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (let token = 1; token <= tokens && call.endedAtMs === null; token += 1) {
        call.tokens = token;
        send({ choices: [{ index: 0, delta: { content: `${token} ` }, finish_reason: null }] });
        await sleep(gapMs);
      }
      if (call.endedAtMs !== null) return;
      const usage = { prompt_tokens: promptTokens, completion_tokens: tokens, total_tokens: promptTokens + tokens };
      send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
      send({ choices: [], usage });
      response.end('data: [DONE]\n\n');
      call.isWhole = true;
    };
    void answer();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    calls,
    breakOff: () => server.closeAllConnections(),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
