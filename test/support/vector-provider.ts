import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { keepAliveTimeoutMs } from '../../src/local/simulator/simulator';

interface VectorCall {
  readonly path: string;
  readonly requestId: string;
  readonly body: {
    readonly model: string;
    readonly input: string | readonly unknown[];
    readonly dimensions?: number;
    readonly encoding_format?: string;
  };
}

/** Answers a call in place of the provider; undefined: the provider answers as usual. */
export type AnswerCall = (call: VectorCall, response: ServerResponse) => 'answered' | undefined;

/** A provider of embeddings and moderations that speaks OpenAI's wire format over HTTP. */
export interface VectorProvider {
  readonly baseUrl: string;
  readonly calls: VectorCall[];
  /** Of the coming calls, one each. */
  readonly next: AnswerCall[];
  /** Whether it knows `encoding_format: base64`. */
  knowsBase64: boolean;
  close(): Promise<void>;
}

const usualDimensions = 8;
const tokensOfInput = 3;

/** Another vector for each input, the same each time, exact in float32. */
export function vectorOf(input: unknown, dimensions: number = usualDimensions): number[] {
  const text = JSON.stringify(input);
  return Array.from({ length: dimensions }, (_, index) =>
    Math.fround((text.length * 31 + text.charCodeAt(index % text.length) * 7 + index) / 10_000),
  );
}

export async function startVectorProvider(): Promise<VectorProvider> {
  const server = createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (incoming, response) => {
    void json(incoming).then((read) => {
      const body = read as VectorCall['body'];
      const call = { path: incoming.url ?? '', requestId: String(incoming.headers['x-request-id']), body };
      provider.calls.push(call);
      if (provider.next.shift()?.(call, response) === 'answered') return;
      const { input, model, dimensions, encoding_format: format } = body;
      const inputs = Array.isArray(input) && typeof input[0] !== 'number' ? input : [input];
      if (call.path.endsWith('/moderations')) {
        const results = inputs.map((text) => ({ flagged: String(text).includes('harm'), category_scores: { x: 0.5 } }));
        sendJson(response, 200, { id: 'modr-1', model, results });
        return;
      }
      const data = inputs.map((each, index) => {
        const vector = vectorOf(each, dimensions);
        const base64 = Buffer.from(new Float32Array(vector).buffer).toString('base64');
        const embedding = format === 'base64' && provider.knowsBase64 ? base64 : vector;
        return { object: 'embedding', index, embedding };
      });
      const count = inputs.length * tokensOfInput;
      // Not in order, as some providers send them.
      sendJson(response, 200, {
        object: 'list',
        data: data.toReversed(),
        model,
        usage: { prompt_tokens: count, total_tokens: count },
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const provider: VectorProvider = {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    calls: [],
    next: [],
    knowsBase64: true,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return provider;
}

export function sendJson(response: ServerResponse, status: number, body: object): 'answered' {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
  return 'answered';
}
