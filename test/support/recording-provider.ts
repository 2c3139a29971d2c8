import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { ChatMessage } from '../../src/contract/chat';
import { keepAliveTimeoutMs } from '../../src/local/simulator/simulator';

export interface RecordedRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly temperature: number;
  readonly max_tokens: number;
  readonly headers: IncomingHttpHeaders;
}

/** A provider that keeps its requests: the simulator counts tokens, this one remembers the text. */
export interface RecordingProvider {
  readonly baseUrl: string;
  readonly requests: readonly RecordedRequest[];
  close(): Promise<void>;
}

/** `statusOf` may return a status other than 200 to refuse a request; `answerTo` may return another text than `answer 1`. */
export async function startRecordingProvider(
  statusOf: (request: RecordedRequest) => number = () => 200,
  answerTo: (request: RecordedRequest, count: number) => string = (_, count) => `answer ${count}`,
): Promise<RecordingProvider> {
  const requests: RecordedRequest[] = [];
  const server = createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (incoming, response) => {
    void json(incoming).then((body) => {
      const request = { ...(body as Omit<RecordedRequest, 'headers'>), headers: incoming.headers };
      requests.push(request);
      const message = { role: 'assistant', content: answerTo(request, requests.length) };
      const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
      response.writeHead(statusOf(request), { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({ model: request.model, choices: [{ index: 0, message, finish_reason: 'stop' }], usage }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
