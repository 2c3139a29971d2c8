import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { ChatMessage } from '../../src/contract/chat';
import { keepAliveTimeoutMs } from '../../src/local/simulator/simulator';

export interface ScriptedAnswer {
  /** The text, in the pieces of a stream. */
  readonly pieces: readonly string[];
  readonly finishReason?: string;
  readonly toolCalls?: readonly object[];
  readonly refusal?: string;
  /** What it thought before. */
  readonly thoughts?: string;
}

interface AskedModel {
  readonly model: string;
  readonly stream?: boolean;
  readonly messages: readonly ChatMessage[];
  readonly [field: string]: unknown;
}

/** A provider that says what a test tells it to, whole or as a stream, and counts 10 + 5 tokens each time. */
export interface ScriptedProvider {
  readonly baseUrl: string;
  /** The bodies that it was sent. */
  readonly asked: readonly AskedModel[];
  /** Of the coming calls, in their order; further ones get the last of them. */
  answer(...answers: readonly ScriptedAnswer[]): void;
  close(): Promise<void>;
}

const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };

export async function startScriptedProvider(): Promise<ScriptedProvider> {
  let script: ScriptedAnswer[] = [];
  const asked: AskedModel[] = [];
  const server = createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (incoming, response) => {
    void json(incoming).then((body) => {
      const { model, stream } = body as AskedModel;
      asked.push(body as AskedModel);
      const [said] = script;
      if (said === undefined) throw new Error('Tell the provider what to answer.');
      if (script.length > 1) script = script.slice(1);
      const { pieces, finishReason = 'stop', toolCalls, refusal, thoughts } = said;
      const more = {
        ...(toolCalls && { tool_calls: toolCalls }),
        ...(refusal !== undefined && { refusal }),
        ...(thoughts !== undefined && { reasoning_content: thoughts }),
      };
      if (!stream) {
        const message = { role: 'assistant', content: pieces.join(''), ...more };
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ model, choices: [{ index: 0, message, finish_reason: finishReason }], usage }));
        return;
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const event = (delta: object, reason: string | null = null): void => {
        const choices = [{ index: 0, delta, finish_reason: reason }];
        response.write(`data: ${JSON.stringify({ model, choices })}\n\n`);
      };
      for (const content of pieces) event({ content });
      event(more, finishReason);
      response.end(`data: ${JSON.stringify({ model, choices: [], usage })}\n\ndata: [DONE]\n\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    asked,
    answer: (...answers) => (script = [...answers]),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
