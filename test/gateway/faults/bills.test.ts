/** What providers do with requests and money, by a strict one that writes its own bill: through the whole service. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BudgetRefusedError, InvalidInputError } from '../../../src/client/errors';
import type { ErrorFields } from '../../../src/gateway/gateway-error';
import { unique } from '../../support/temporal';
import { hello, oneAttempt, startGatewayService, type GatewayService } from '../gateway-service';
import { ask, manners, storedAnswer, type Manner } from './ask';

interface Body {
  readonly model: string;
  readonly stream?: boolean;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly [field: string]: unknown;
}

interface Reply {
  readonly text?: string;
  readonly usage?: object;
  readonly finishReason?: string | null;
  readonly model?: string;
  /** Ends a stream after its text, without a finish reason. */
  readonly isCut?: boolean;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Instead of an answer; of a stream that has begun, an event. */
  readonly error?: unknown;
}

const firstModel = 'first';
const secondModel = 'second';
const providerKey = 'sk-bills-77aa0e';
const maxThinkingTokens = 24_576;

let server: Server;
let setting: GatewayService;
let requests: Body[];
/** What each model says; a list is used up. */
let replies: Record<string, Reply | Reply[]>;

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Body;
      requests.push(body);
      const said = replies[body.model] ?? {};
      send(response, body, Array.isArray(said) ? (said.shift() ?? {}) : said);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const target = (name: string, model: string) => ({ name, provider: 'strict', model, maxThinkingTokens });
  setting = await startGatewayService({
    environment: { STRICT_KEY: providerKey },
    configuration: {
      providers: {
        strict: { baseUrl: `http://127.0.0.1:${port}/v1`, apiKeyEnv: 'STRICT_KEY', maxResponseBytes: 8_388_608 },
      },
      models: { [firstModel]: { price: 10 }, [secondModel]: { price: 1 } },
      // What a regular activity is given goes through Temporal.
      arms: {
        strict: { targets: [target('one', firstModel), { ...target('two', secondModel), firstAttempt: 'regular' }] },
      },
      defaultArm: 'strict',
      retry: { ...oneAttempt },
    },
  });
});
afterAll(async () => {
  await setting.stop();
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  requests = [];
  replies = {};
});

const defaultUsage = { prompt_tokens: 20, completion_tokens: 10, total_tokens: 30 };

function send(response: ServerResponse, body: Body, reply: Reply): void {
  const {
    text = 'A whole answer.',
    usage = defaultUsage,
    finishReason = 'stop',
    model = body.model,
    isCut,
    error,
  } = reply;
  const { status = 200, headers } = reply;
  response.on('error', () => undefined);
  if (status !== 200 || (error !== undefined && !body.stream)) {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(error));
    return;
  }
  if (!body.stream) {
    response.writeHead(200, { 'content-type': 'application/json' });
    const choices = [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: finishReason }];
    response.end(JSON.stringify({ model, choices, usage }));
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const event = (data: unknown) => void response.write(`data: ${JSON.stringify(data)}\n\n`);
  if (error !== undefined) {
    event(error);
    response.end();
    return;
  }
  for (const piece of text.match(/[^]{1,4000}/g) ?? []) {
    event({ model, choices: [{ index: 0, delta: { content: piece }, finish_reason: null }] });
  }
  if (!isCut) {
    event({ model, choices: [{ index: 0, delta: {}, finish_reason: finishReason }] });
    event({ choices: [], usage });
    response.write('data: [DONE]\n\n');
  }
  response.end();
}

const askFor = (manner: Manner, changes: object = {}, headers: Record<string, string> = {}) =>
  ask(setting, manner, { ...hello, ...changes }, headers);
const rowsOf = async (turnId: string) => {
  const rows = await setting.service.ledger.attempts();
  return rows.filter((row) => row.turnId === turnId);
};
const outcomesOf = async (turnId: string) => (await rowsOf(turnId)).map(({ state, outcome }) => `${state} ${outcome}`);

const places = manners.flatMap((manner) => [[manner, 'stateless'] as const, [manner, 'in a session'] as const]);
const headersOf = (place: string): Record<string, string> =>
  place === 'stateless' ? {} : { 'x-bellwether-session': unique('session') };

const thinking: readonly [string, object, number][] = [
  [
    'left out of the completion, but not of the total',
    { prompt_tokens: 20, completion_tokens: 198, total_tokens: 623 },
    603,
  ],
  [
    'beside no completion',
    { prompt_tokens: 20, completion_tokens: 0, completion_tokens_details: { reasoning_tokens: 60 } },
    60,
  ],
  ['beside a total alone', { prompt_tokens: 20, total_tokens: 95 }, 75],
  [
    'within the completion',
    { prompt_tokens: 20, completion_tokens: 70, total_tokens: 90, completion_tokens_details: { reasoning_tokens: 60 } },
    70,
  ],
];

describe.each(thinking)('thoughts that a provider counts %s', (_where, usage, completionTokens) => {
  test.each(places)('are booked and told (%s, %s)', async (manner, place) => {
    replies = { [firstModel]: { usage } };
    const asked = await askFor(manner, {}, headersOf(place));
    expect(asked).toMatchObject({
      status: 200,
      usage: { prompt_tokens: 20, completion_tokens: completionTokens, total_tokens: 20 + completionTokens },
      costUsd: ((20 + completionTokens) * 10) / 1e6,
    });
    expect(await rowsOf(asked.turnId)).toMatchObject([
      { state: 'settled', completionTokens, costNanoUsd: (20 + completionTokens) * 10_000, usageNote: null },
    ]);
  });
});

test('the budget of a session holds at every instant, however much its models think beyond the limit', async () => {
  const usage = { prompt_tokens: 20, completion_tokens: 2_000, total_tokens: 20 + 2_000 + maxThinkingTokens };
  replies = { [firstModel]: { usage } };
  const sessionId = unique('session');
  const turns = Array.from({ length: 6 }, () =>
    setting.service.client
      .complete({ sessionId, messages: [{ role: 'user', content: 'Think.' }], delivery: 'streamed', maxTokens: 2_000 })
      .then(() => 'answered')
      .catch((error: unknown) => (error instanceof BudgetRefusedError ? 'refused' : String(error))),
  );
  const outcomes = await Promise.all(turns);
  expect(outcomes.filter((outcome) => outcome === 'refused').length).toBe(5);
  const billed = requests.filter(({ model }) => model === firstModel).length * usage.total_tokens * 10;
  expect(billed).toBeLessThanOrEqual(500_000);
  const rows = (await setting.service.ledger.attempts()).filter((row) => row.sessionId === sessionId);
  expect(rows.reduce((sum, row) => sum + row.costNanoUsd, 0)).toBe(billed * 1_000);
});

test.each(places)('usage is that of all calls of the answer, and so is the bill (%s, %s)', async (manner, place) => {
  const empty = {
    prompt_tokens: 20,
    completion_tokens: 5,
    total_tokens: 25,
    prompt_tokens_details: { cached_tokens: 4 },
  };
  replies = { [firstModel]: { text: '', usage: empty } };
  const asked = await askFor(manner, {}, headersOf(place));
  expect(asked).toMatchObject({
    status: 200,
    answeredBy: 'two',
    usage: { prompt_tokens: 40, completion_tokens: 15, prompt_tokens_details: { cached_tokens: 4 } },
    costUsd: (25 * 10 + 30) / 1e6,
  });
  expect(await rowsOf(asked.turnId)).toMatchObject([
    { state: 'settled', outcome: 'malformed-response', costNanoUsd: 25 * 10_000 },
    { state: 'settled', outcome: 'answered', costNanoUsd: 30 * 1_000 },
  ]);
});

describe('parameters of one caller open no circuit for all', () => {
  const repeatedly: readonly [string, Reply, object][] = [
    ['a stop word that ends every answer at once', { text: '' }, { stop: ['A'] }],
    ['a refused parameter', { status: 400, error: { error: { message: 'top_k is unknown' } } }, { top_p: 0.3 }],
    ['a request that is too large', { status: 413, error: {} }, {}],
    [
      'a request that is larger than the rate',
      { status: 429, error: { error: { message: 'Request too large for x.' } } },
      {},
    ],
    ['thoughts that use up the limit', { text: '', finishReason: 'length' }, { max_tokens: 10 }],
  ];
  test.each(repeatedly)('%s', async (_what, reply, changes) => {
    replies = { [firstModel]: reply };
    for (let count = 0; count < 9; count += 1) await askFor('plain', changes);
    replies = {};
    expect(await askFor('plain')).toMatchObject({ answeredBy: 'one' });
  });
});

describe.each(manners)('an error of every provider (%s)', (manner) => {
  const failing: readonly [string, Reply, number, string, string][] = [
    [
      '402',
      { status: 402, error: { error: { message: 'Insufficient Balance' } } },
      503,
      'provider_rate_limited',
      'is used up',
    ],
    [
      'an error object for the length in a stream',
      {
        error: {
          object: 'error',
          message: "This model's maximum context length is 4096 tokens.",
          type: 'BadRequestError',
          code: 400,
        },
      },
      400,
      'context_length_exceeded',
      'maximum context length is 4096',
    ],
    [
      'a refused parameter',
      { status: 400, error: { error: { code: 'unsupported_value', message: "'seed' is not supported." } } },
      502,
      'provider_refused_request',
      "'seed' is not supported.",
    ],
    [
      'a refused tool whose name sounds like moderation',
      { status: 400, error: { error: { message: "Invalid schema for function 'moderation_log'." } } },
      502,
      'provider_refused_request',
      "Invalid schema for function 'moderation_log'.",
    ],
  ];
  test.each(failing)('%s is told as what it is', async (_what, reply, status, code, words) => {
    replies = { [firstModel]: reply, [secondModel]: reply };
    const asked = await askFor(manner);
    expect(asked).toMatchObject({ status, error: { code } });
    expect(asked.error?.message).toContain(words);
    expect(requests).toHaveLength(2);
  });

  test('that quotes the request is told without the request and without keys', async () => {
    const secret = 'My card number is 4000-1234-5678-9010, keep it to yourself';
    const message = `Bad input '${secret}' for key ${providerKey}: ${JSON.stringify(secret)} ${'x'.repeat(100_000)}`;
    replies = { [firstModel]: { status: 400, error: { error: { message } } } };
    replies[secondModel] = replies[firstModel]!;
    const asked = await askFor(manner, { messages: [{ role: 'user', content: secret }] });
    expect(asked.error?.message).toContain('Bad input');
    expect(asked.raw).not.toMatch(/4000-1234|keep it|sk-bills/);
    expect(asked.raw.length).toBeLessThan(2_000);
    expect(JSON.stringify(await rowsOf(asked.turnId))).not.toMatch(/4000-1234|sk-bills/);
  });

  test('429 with Retry-After is told with the shortest wait', async () => {
    const limited = (seconds: string): Reply => ({ status: 429, headers: { 'retry-after': seconds }, error: {} });
    replies = { [firstModel]: limited('90'), [secondModel]: limited('60') };
    const response = await setting.call('/v1/chat/completions', { ...hello, stream: manner === 'streamed' });
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('60');
    const { error } = (await response.json()) as { error: ErrorFields };
    expect(error).toMatchObject({ code: 'provider_rate_limited' });
    expect(error.message).toContain('60 s');
  });
});

describe('a stream that is cut after 40 words', () => {
  const words = (count: number) => Array.from({ length: count }, (_, index) => `word${index}`).join(' ');
  const other = 'Something else altogether, which has nothing to do with what came before.';
  const cut: Reply = { text: words(40), isCut: true };

  test('and a next model that says another answer: nothing is joined, and the stream has diverged', async () => {
    replies = { [firstModel]: cut, [secondModel]: { text: other } };
    const asked = await askFor('streamed');
    expect(asked).toMatchObject({ status: 200, content: words(40), error: { code: 'stream_diverged' } });
    expect(await storedAnswer(setting, asked.turnId)).toBe(other);
    expect(await outcomesOf(asked.turnId)).toContain('settled answered');
    // Asked once to go on, and then anew; not asked to go on any more afterwards.
    const [, toGoOn, anew] = requests;
    expect(toGoOn?.messages.at(-1)?.role).toBe('assistant');
    expect(anew?.messages.at(-1)?.role).toBe('user');
    requests = [];
    await askFor('streamed');
    expect(requests.map(({ messages }) => messages.at(-1)?.role)).toEqual(['user', 'user']);
  });

  test('is answered anew for a plain request', async () => {
    replies = { [firstModel]: cut, [secondModel]: { text: other } };
    expect(await askFor('plain')).toMatchObject({ status: 200, content: other, attempts: 2 });
  });
});

describe('what is larger as JSON than it was on the wire', () => {
  const controls = '\u0001'.repeat(900_000);

  test.each(places)(
    '900 KB of control characters are bought once, and the next model answers (%s, %s)',
    async (manner, place) => {
      replies = { [firstModel]: { text: controls } };
      const asked = await askFor(manner, {}, headersOf(place));
      // Of a stream they have been sent, and what is sent is not taken back.
      if (manner === 'streamed') expect(asked.error).toMatchObject({ code: 'stream_diverged' });
      else expect(asked).toMatchObject({ status: 200, content: 'A whole answer.', answeredBy: 'two' });
      expect(requests.map(({ model }) => model)).toEqual([firstModel, secondModel]);
      expect(await outcomesOf(asked.turnId)).toEqual(['settled response-too-large', 'settled answered']);
    },
  );

  test.each(places)('a model with a name of 300 KB is not named (%s, %s)', async (manner, place) => {
    replies = { [firstModel]: { model: 'm'.repeat(300_000) } };
    const asked = await askFor(manner, {}, headersOf(place));
    expect(asked).toMatchObject({ status: 200, content: 'A whole answer.', model: firstModel });
    expect(requests).toHaveLength(1);
  });

  test('a megabyte of control characters from a client of ours is refused before anything is started', async () => {
    const messages = [{ role: 'user', content: controls }] as const;
    const turn = setting.service.client.complete({ messages, keepAllMessages: true });
    await expect(turn).rejects.toThrow(InvalidInputError);
    await expect(turn).rejects.toThrow(/^the request has \d+ bytes as JSON, at most 1572864 are taken/);
    const parts = Array.from({ length: 18 }, () => ({ role: 'user', content: '\u0001'.repeat(50_000) }) as const);
    const sent = setting.service.client.send({ sessionId: unique('session'), content: '', messages: parts });
    await expect(sent).rejects.toThrow(/bytes as JSON/);
    expect(requests).toEqual([]);
  });

  test('a session of control characters goes on: its window is bounded as JSON', async () => {
    const sessionId = unique('session');
    const content = '\u0001'.repeat(60_000);
    for (let turn = 0; turn < 7; turn += 1) {
      const reply = await setting.service.client.send({ sessionId, content: `${content}${turn}`, model: secondModel });
      expect(reply.content).toBe('A whole answer.');
    }
    expect(requests.at(-1)?.messages.length).toBeLessThan(6);
  });
});

test('a one-shot turn has an end, whatever becomes of its tasks', async () => {
  const { turnId } = await askFor('plain');
  const { raw } = await setting.service.temporal.workflow.getHandle(`turn/${turnId}`).describe();
  expect(Number(raw.executionConfig?.workflowExecutionTimeout?.seconds)).toBe(3 * 60 * 60);
});
