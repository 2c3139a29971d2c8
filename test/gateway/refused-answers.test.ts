import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { ChatMessage } from '../../src/contract/chat';
import type { Chunk } from '../../src/gateway/chunks';
import type { Completion } from '../../src/gateway/completion';
import { keepAliveTimeoutMs } from '../../src/local/simulator/simulator';
import { unique } from '../support/temporal';
import { type GatewayService, hello, startGatewayService } from './gateway-service';

/** What OpenAI's models say to a `response_format` that they will not fill. */
const refusal = "I'm sorry, I can't help with that.";
const usage = { prompt_tokens: 10, completion_tokens: 5 };
let asked: { messages: readonly ChatMessage[] }[];
/** Whether the provider streams, or answers as plain JSON. */
let streams: boolean;
let provider: Server;
let setting: GatewayService;
beforeAll(async () => {
  provider = createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (incoming, response) => {
    void json(incoming).then((body) => {
      asked.push(body as (typeof asked)[number]);
      response.writeHead(200, { 'content-type': streams ? 'text/event-stream' : 'application/json' });
      response.end(streams ? streamedRefusal() : JSON.stringify(plainRefusal));
    });
  });
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
  const { port } = provider.address() as AddressInfo;
  setting = await startGatewayService({ environment: { HOLYSHEEP_BASE_URL: `http://127.0.0.1:${port}/v1` } });
});
afterAll(async () => {
  await setting.stop();
  provider.closeAllConnections();
  provider.close();
});
beforeEach(() => {
  asked = [];
  streams = true;
});

const plainRefusal = {
  choices: [{ index: 0, message: { role: 'assistant', content: null, refusal }, finish_reason: 'stop' }],
  usage,
};

function streamedRefusal(): string {
  const deltas = [
    { role: 'assistant', content: null },
    { refusal: refusal.slice(0, 9) },
    { refusal: refusal.slice(9) },
  ];
  const chunks = [
    ...deltas.map((delta) => ({ choices: [{ index: 0, delta, finish_reason: null }] })),
    { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
    { choices: [], usage },
  ];
  return `${chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('')}data: [DONE]\n\n`;
}

async function ask(messages: readonly unknown[], headers = {}): Promise<Completion> {
  const response = await setting.call('/v1/chat/completions', { ...hello, messages }, headers);
  expect(response.status).toBe(200);
  return (await response.json()) as Completion;
}

test.each([
  ['streams', true],
  ['does not stream', false],
])("a model's refusal is its answer, paid by its usage, where the provider %s", async (_, streamed) => {
  streams = streamed;
  const answer = await ask(hello.messages);
  expect(answer.choices[0]).toMatchObject({
    message: { role: 'assistant', content: null, refusal },
    finish_reason: 'stop',
  });
  expect(answer.bellwether.attempts).toBe(1);
  expect(asked).toHaveLength(1);
  const [row] = await setting.service.ledger.attempts(answer.bellwether.turn_id);
  expect(row).toMatchObject({ state: 'settled', outcome: 'answered', promptTokens: 10, completionTokens: 5 });
});

test('a stream tells a refusal whole, before its finish reason', async () => {
  const response = await setting.call('/v1/chat/completions', { ...hello, stream: true });
  const events = (await response.text()).split('\n').filter((line) => line.startsWith('data: {'));
  const deltas = events.map((line) => (JSON.parse(line.slice('data: '.length)) as Chunk).choices[0]);
  expect(deltas.map((choice) => choice?.delta)).toEqual([{ role: 'assistant', content: '' }, { refusal }, {}]);
  expect(deltas.at(-1)?.finish_reason).toBe('stop');
});

test('a session remembers a refusal as what was said, and so does a client that brings its history', async () => {
  const headers = { 'x-bellwether-session': unique('session') };
  const first = await ask(hello.messages, headers);
  const next = { role: 'user', content: 'And why not?' };
  const whole = [hello.messages[0], { role: 'assistant', content: refusal }, next];
  await ask([next], headers);
  expect(asked.at(-1)?.messages).toEqual(whole);
  await ask([hello.messages[0], first.choices[0]?.message, next]);
  expect(asked.at(-1)?.messages).toEqual(whole);
});
