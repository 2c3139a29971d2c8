/** Answers in odd forms, from a provider to a client: what was said and what was paid, streamed and plain, with and without memory. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import type { ChatMessage } from '../../src/contract/chat';
import type { AttemptRow } from '../../src/contract/ledger';
import { turnName } from '../../src/contract/names';
import { keepAliveTimeoutMs } from '../../src/local/simulator/simulator';
import { fallbackModel, primaryModel } from '../support/service';
import { unique } from '../support/temporal';
import { ask, type Asked, type Manner, manners } from './faults/ask';
import { type GatewayService, hello, oneAttempt, startGatewayService } from './gateway-service';
import { allEvents, chunksOf } from './read-stream';

interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
}

type Headers = Readonly<Record<string, string>>;

interface Said {
  /** The deltas of a stream; as one message where none was asked for. */
  readonly deltas: readonly object[];
  readonly reason: string;
  readonly usage: Usage;
  readonly details?: object;
  /** Where the usage stands. */
  readonly place?: 'choice' | 'every event';
  readonly encoding?: 'gzip';
}

let provider: Server;
let setting: GatewayService;
/** One for each call, in order. */
let answers: Said[];
let asked: { readonly model: string; readonly stream?: boolean; readonly messages: readonly ChatMessage[] }[];
/** What a strict provider writes down for each call. */
let bill: (Usage & { readonly model: string })[];

beforeAll(async () => {
  provider = createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (incoming, response) => {
    void json(incoming).then((body) => {
      const call = body as (typeof asked)[number];
      const said = answers.shift();
      asked.push(call);
      if (said === undefined) {
        response.writeHead(500).end();
        return;
      }
      bill.push({ model: call.model, ...said.usage });
      const text = call.stream ? streamOf(said) : wholeOf(said);
      response.writeHead(200, { 'content-type': 'text/plain', ...(said.encoding && { 'content-encoding': 'gzip' }) });
      response.end(said.encoding ? gzipSync(text) : text);
    });
  });
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
  const { port } = provider.address() as AddressInfo;
  setting = await startGatewayService({
    environment: { HOLYSHEEP_BASE_URL: `http://127.0.0.1:${port}/v1` },
    configuration: { retry: oneAttempt },
  });
});
afterAll(async () => {
  await setting.stop();
  provider.closeAllConnections();
  provider.close();
});
beforeEach(() => {
  answers = [];
  asked = [];
  bill = [];
});

function streamOf({ deltas, reason, usage, details, place }: Said): string {
  const reported = { ...usage, ...details };
  const event = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;
  const every = place === 'every event';
  const events = deltas.map((delta) =>
    event({ choices: [{ delta, finish_reason: every ? reason : null }], ...(every && { usage: reported }) }),
  );
  const inChoice = place === 'choice' && { usage: reported };
  const end = event({ choices: [{ delta: {}, finish_reason: reason, ...inChoice }] });
  const usageEvent = event({ choices: [], usage: reported });
  return `${events.join('')}${every ? '' : end}${place === undefined ? usageEvent : ''}data: [DONE]\n\n`;
}

function wholeOf({ deltas, reason, usage, details, place }: Said): string {
  const message: Record<string, unknown> = {};
  for (const [field, value] of deltas.flatMap((delta) => Object.entries(delta))) {
    const before = message[field];
    message[field] = typeof before === 'string' ? before + String(value) : value;
  }
  const reported = { usage: { ...usage, ...details } };
  const inChoice = place === 'choice';
  return JSON.stringify({
    choices: [{ message, finish_reason: reason, ...(inChoice && reported) }],
    ...(!inChoice && reported),
  });
}

const words = (...texts: readonly string[]) => texts.map((content) => ({ content }));
const usage: Usage = { prompt_tokens: 20, completion_tokens: 7 };
const fine: Said = { deltas: words('Your order has', ' left the house.'), reason: 'stop', usage };
const call = { index: 0, id: 'a', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } };
const tools = [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object' } } }];

const nanoUsdPerToken: Readonly<Record<string, number>> = { [primaryModel]: 420, [fallbackModel]: 2_500 };

/** Asks in each way, and holds the ledger against the provider's bill. */
async function turn(
  manner: Manner,
  said: readonly Said[],
  changes: object = {},
  headers: Headers = {},
): Promise<Asked> {
  answers = [...said];
  asked = [];
  bill = [];
  const result = await ask(setting, manner, { ...hello, ...changes }, headers);
  expect(answers).toEqual([]);
  const rows = await rowsOf(result, headers);
  expect(
    rows.map(({ state, promptTokens, completionTokens, costNanoUsd }) => ({
      state,
      promptTokens,
      completionTokens,
      costNanoUsd,
    })),
  ).toEqual(
    bill.map(({ model, prompt_tokens, completion_tokens }) => ({
      state: 'settled',
      promptTokens: prompt_tokens,
      completionTokens: completion_tokens,
      costNanoUsd: (prompt_tokens + completion_tokens) * (nanoUsdPerToken[model] ?? Number.NaN),
    })),
  );
  return result;
}

function rowsOf({ turnId }: Pick<Asked, 'turnId'>, headers: Headers = {}): Promise<readonly AttemptRow[]> {
  const session = headers['x-bellwether-session'];
  return setting.service.ledger.attempts(session === undefined ? turnId : turnName(turnId, sessionId(session)));
}

/** As the service knows it. */
const sessionId = (session: string): string => `${setting.key.split('_')[1]}.${session}`;

const outcomes = (rows: readonly AttemptRow[]) => rows.map(({ outcome }) => outcome);
const sessionHeaders = () => ({ 'x-bellwether-session': unique('session') });

async function memory(headers: Headers) {
  const { turns } = await setting.service.client.transcript(sessionId(headers['x-bellwether-session'] ?? ''));
  return turns.map(({ reply }) => reply.content);
}

describe.each(manners)('%s', (manner) => {
  test('a reason in every event ends nothing, and the session remembers the whole', async () => {
    const headers = sessionHeaders();
    const said: Said = {
      deltas: words('One, ', 'two, ', 'three, ', 'four.'),
      reason: 'stop',
      usage,
      place: 'every event',
    };
    const answer = await turn(manner, [said], {}, headers);
    expect(answer).toMatchObject({ content: 'One, two, three, four.', finishReason: 'stop', attempts: 1 });
    expect(await memory(headers)).toEqual(['One, two, three, four.']);
  });

  test.each(['insufficient_system_resource', 'network_error', 'abort', 'error', 'MALFORMED_FUNCTION_CALL'])(
    'an answer that breaks off for the reason %s is gone on with, paid, and not remembered as a half',
    async (reason) => {
      const headers = sessionHeaders();
      const half: Said = { ...fine, deltas: words('Your order has'), reason };
      const answer = await turn(manner, [half, fine], {}, headers);
      expect(answer).toMatchObject({ content: 'Your order has left the house.', finishReason: 'stop', attempts: 2 });
      expect(await memory(headers)).toEqual(['Your order has left the house.']);
      expect(outcomes(await rowsOf(answer, headers))).toEqual(['connection', 'answered']);
    },
  );

  test('an answer that breaks off everywhere is an error, paid by what was reported', async () => {
    const half: Said = { ...fine, deltas: words('Your order has'), reason: 'network_error' };
    const answer = await turn(manner, [half, half]);
    expect(answer.error).not.toBeNull();
    expect(answer.finishReason).toBeNull();
  });

  test('a limit that is spent on thoughts is an empty answer, and no circuit opens, however often', async () => {
    const said: Said = {
      deltas: [{ content: '' }],
      reason: 'length',
      usage,
      details: { completion_tokens_details: { reasoning_tokens: 7 } },
    };
    for (let count = 0; count < 9; count += 1) {
      const answer = await turn(manner, [said], { max_tokens: 7 });
      expect(answer).toMatchObject({
        status: 200,
        content: '',
        finishReason: 'length',
        answeredBy: 'holysheep-primary',
      });
    }
  });

  test('nothing for no reason is a failed call: the next target is asked', async () => {
    const answer = await turn(manner, [{ ...fine, deltas: words('') }, fine]);
    expect(answer).toMatchObject({
      content: 'Your order has left the house.',
      attempts: 2,
      answeredBy: 'holysheep-fallback',
    });
    expect(outcomes(await rowsOf(answer))).toEqual(['malformed-response', 'answered']);
  });

  test('a usage in the choice is what is paid and told', async () => {
    const answer = await turn(manner, [{ ...fine, place: 'choice' }]);
    expect(answer.usage).toMatchObject({ prompt_tokens: 20, completion_tokens: 7, total_tokens: 27 });
  });

  test("DeepSeek's cached tokens are told", async () => {
    answers = [{ ...fine, details: { prompt_cache_hit_tokens: 16, prompt_cache_miss_tokens: 4 } }];
    const answer = await ask(setting, manner, hello);
    expect(answer.usage).toMatchObject({ prompt_tokens: 20, prompt_tokens_details: { cached_tokens: 16 } });
  });

  test('what is compressed and labelled as text is read at once', async () => {
    const answer = await turn(manner, [{ ...fine, encoding: 'gzip' }]);
    expect(answer).toMatchObject({ content: 'Your order has left the house.', attempts: 1 });
  });

  test('calls that end for the reason stop are told as tool_calls', async () => {
    answers = [{ deltas: [{ tool_calls: [call] }], reason: 'stop', usage }];
    const body = { ...hello, tools, stream: manner === 'streamed' };
    const answer = await (await setting.call('/v1/chat/completions', body)).text();
    expect(answer.match(/"finish_reason":"\w+"/g)).toEqual(['"finish_reason":"tool_calls"']);
  });
});

describe('thoughts', () => {
  const thinking: Said = {
    deltas: [{ reasoning_content: 'Look ' }, { reasoning_content: 'it up.' }, { tool_calls: [call] }],
    reason: 'tool_calls',
    usage,
    details: { completion_tokens_details: { reasoning_tokens: 5 } },
  };
  const question = hello.messages[0];
  const result = { role: 'tool', tool_call_id: 'a', content: '21 degrees' };

  interface Told {
    readonly message: ChatMessage;
    readonly usage: unknown;
  }

  /** What a client would send back, as it came. */
  async function told(manner: Manner, messages: readonly object[], headers = {}): Promise<Told> {
    const body = { ...hello, messages, tools };
    if (manner === 'plain') {
      const response = await setting.call('/v1/chat/completions', body, headers);
      const { choices, usage: counted } = (await response.json()) as {
        choices: { message: ChatMessage }[];
        usage: unknown;
      };
      return { message: choices[0]!.message, usage: counted };
    }
    const streamed = { ...body, stream: true, stream_options: { include_usage: true } };
    const chunks = chunksOf(await allEvents(await setting.call('/v1/chat/completions', streamed, headers)));
    const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta));
    const calls = deltas.flatMap(({ tool_calls = [] }) => tool_calls.map(({ index: _index, ...rest }) => rest));
    return {
      message: {
        role: 'assistant',
        content: null,
        reasoning_content: deltas.map(({ reasoning_content = '' }) => reasoning_content).join(''),
        tool_calls: calls,
      },
      usage: chunks.at(-1)?.usage,
    };
  }

  test.each(manners)('come to a client (%s), which sends them back with the result of the call', async (manner) => {
    answers = [thinking, fine];
    const first = await told(manner, [question]);
    expect(first).toMatchObject({
      message: { reasoning_content: 'Look it up.', tool_calls: [{ id: 'a' }] },
      usage: { completion_tokens: 7, completion_tokens_details: { reasoning_tokens: 5 } },
    });
    await told(manner, [question, first.message, result]);
    expect(asked.at(-1)?.messages).toMatchObject([
      question,
      { reasoning_content: 'Look it up.', tool_calls: [{ id: 'a' }] },
      result,
    ]);
  });

  test.each(manners)(
    'are remembered by a session with the calls (%s), whether the client has kept them or not',
    async (manner) => {
      const headers = sessionHeaders();
      answers = [thinking, fine, fine];
      const { message } = await told(manner, [question], headers);
      const { reasoning_content: _thoughts, ...forgetful } = message;
      await told(manner, [question, forgetful, result], headers);
      expect(asked.at(-1)?.messages).toMatchObject([
        question,
        { reasoning_content: 'Look it up.', tool_calls: [{ id: 'a' }] },
        result,
      ]);
      await told(manner, [{ role: 'user', content: 'And tomorrow?' }], headers);
      expect(asked.at(-1)?.messages[1]).toMatchObject({ reasoning_content: 'Look it up.' });
    },
  );

  test('of an answer without calls are told, and go to no model again', async () => {
    const headers = sessionHeaders();
    answers = [{ ...fine, deltas: [{ reasoning_content: 'Hm.' }, ...fine.deltas] }, fine, fine];
    const { message } = await told('plain', [question], headers);
    expect(message).toMatchObject({ reasoning_content: 'Hm.', content: 'Your order has left the house.' });
    const next = { role: 'user', content: 'And tomorrow?' };
    await told('plain', [next], headers);
    await told('plain', [question, message, next]);
    for (const { messages } of asked.slice(1)) expect(JSON.stringify(messages)).not.toContain('Hm.');
  });

  test('go to no model that knows no such field', async () => {
    answers = [{ ...fine, deltas: words('') }, fine];
    const message = { role: 'assistant', content: null, reasoning_content: 'Look it up.', tool_calls: [call] };
    await told('plain', [question, message, result]);
    expect(asked.map(({ model, messages }) => [model, JSON.stringify(messages).includes('Look it up.')])).toEqual([
      [primaryModel, true],
      [fallbackModel, false],
    ]);
  });
});
