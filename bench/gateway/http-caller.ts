import { randomUUID } from 'node:crypto';
import type { Dispatcher } from 'undici';
import type { AnswerDelivery, GatewayWay } from './way';

export interface HttpTurn {
  readonly turnId: string;
  /** To the first text of a stream; null for a plain answer. */
  readonly firstTokenMs: number | null;
  readonly wholeMs: number;
}

interface CallerOptions {
  readonly dispatcher: Dispatcher;
  readonly way: GatewayWay;
  readonly delivery: AnswerDelivery;
  readonly question: string;
}

/** The first delta of a stream holds an empty text. */
export const firstText = /"content":"[^"]/;

/** What every OpenAI client does, and as little more as can be: the caller's own time counts for all ways alike. */
export class HttpCaller {
  private readonly url: string;
  private readonly body: string;

  constructor(private readonly options: CallerOptions) {
    const { way, delivery, question } = options;
    const { baseUrl, models } = way.endpoint;
    this.url = `${baseUrl}/chat/completions`;
    this.body = completionBody(models[delivery], question, delivery === 'streamed');
  }

  async turn(): Promise<HttpTurn> {
    const { dispatcher, way, delivery } = this.options;
    const ownId = randomUUID();
    const startedAtMs = performance.now();
    const response = await post(dispatcher, this.url, this.body, way.endpoint.apiKey, `${ownId}.1`);
    let answer = '';
    let firstTokenMs: number | null = null;
    for await (const chunk of response.body.setEncoding('utf8') as AsyncIterable<string>) {
      answer += chunk;
      if (delivery === 'streamed' && firstTokenMs === null && firstText.test(answer)) {
        firstTokenMs = performance.now() - startedAtMs;
      }
    }
    const wholeMs = performance.now() - startedAtMs;
    const isWhole = delivery === 'streamed' ? answer.endsWith('data: [DONE]\n\n') : firstText.test(answer);
    if (response.statusCode !== 200 || !isWhole) {
      throw new Error(`${way.title} gave no whole answer, so the figures would be wrong: ${answer.slice(-500)}`);
    }
    const turnId = response.headers['x-bellwether-turn-id'];
    return { turnId: typeof turnId === 'string' ? turnId : ownId, firstTokenMs, wholeMs };
  }
}

export function completionBody(model: string, question: string, stream: boolean): string {
  return JSON.stringify({ model, messages: [{ role: 'user', content: question }], stream });
}

export function post(
  dispatcher: Dispatcher,
  url: string,
  body: string,
  apiKey: string,
  requestId: string,
): Promise<Dispatcher.ResponseData> {
  const { origin, pathname } = new URL(url);
  const headers = {
    'content-type': 'application/json',
    authorization: `Bearer ${apiKey}`,
    'x-request-id': requestId,
  };
  return dispatcher.request({ origin, path: pathname, method: 'POST', headers, body });
}
