import type { Fault, ModelBehaviour } from '../../../src/local/simulator/behaviour';
import { startSimulator, type Simulator } from '../../../src/local/simulator/simulator';
import { eventually } from '../../support/eventually';

const question = 'Where is my order? [ref:q1]';

let simulator: Simulator;

beforeEach(async () => {
  simulator = await startSimulator({ models: { m: {} } });
});

afterEach(() => simulator.close());

interface Chunk {
  readonly object: string;
  readonly choices: readonly {
    readonly index: number;
    readonly delta: { role?: string; content?: string | null; tool_calls?: readonly object[] };
    readonly finish_reason: string | null;
  }[];
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number };
}

function ask(body: object = {}, signal?: AbortSignal): Promise<Response> {
  return fetch(`${simulator.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'x-request-id': 'q1' },
    body: JSON.stringify({
      model: 'm',
      messages: [{ role: 'user', content: question }],
      stream: true,
      stream_options: { include_usage: true },
      ...body,
    }),
    signal,
  });
}

/** The parsed events of a whole stream, without `[DONE]` and invalid JSON. */
async function eventsOf(response: Response): Promise<readonly (Chunk | string)[]> {
  const events = (await response.text()).split('\n\n').filter((event) => event.trim() !== '');
  return events.map((event) => {
    const data = event.replace(/^data: /, '');
    try {
      return JSON.parse(data) as Chunk;
    } catch {
      return data;
    }
  });
}

function chunksIn(events: readonly (Chunk | string)[]): readonly Chunk[] {
  return events.filter((event) => typeof event !== 'string');
}

function textIn(events: readonly (Chunk | string)[]): string {
  return chunksIn(events)
    .map((chunk) => chunk.choices?.[0]?.delta.content ?? '')
    .join('');
}

async function plainText(): Promise<string> {
  const response = await ask({ stream: false, stream_options: undefined });
  const body = (await response.json()) as { choices: { message: { content: string } }[] };
  return body.choices[0]?.message.content ?? '';
}

/** Reads until the first piece of text, then disconnects. */
async function leaveAfterFirstPiece(): Promise<void> {
  const stop = new AbortController();
  const response = await ask({}, stop.signal);
  let received = '';
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    received += decoder.decode(bytes as Uint8Array, { stream: true });
    // The chunk with the role has empty text.
    if (received.split('"content"').length > 2) break;
  }
  stop.abort();
}

async function withFault(fault: Fault, body: object = {}): Promise<Response> {
  await simulator.queueFaults('m', [fault]);
  return ask(body);
}

describe('a streamed answer', () => {
  test('has the role first, then the text of the plain answer in pieces, a finish reason, usage and [DONE]', async () => {
    const response = await ask();
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const events = await eventsOf(response);
    const chunks = chunksIn(events);
    expect(new Set(chunks.map(({ object }) => object))).toEqual(new Set(['chat.completion.chunk']));
    expect(chunks[0]?.choices).toEqual([{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }]);
    expect(chunks.length).toBeGreaterThan(8);
    expect(textIn(events)).toBe(await plainText());
    expect(chunks.at(-2)?.choices).toEqual([{ index: 0, delta: {}, finish_reason: 'stop' }]);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 14 } });
    expect(events.at(-1)).toBe('[DONE]');
    expect(await simulator.calls()).toMatchObject([
      { outcome: 'answered', status: 200, charged: true, completionTokens: chunks.at(-1)?.usage?.completion_tokens },
      { outcome: 'answered' },
    ]);
  });

  test('has no usage unless it was requested', async () => {
    const events = await eventsOf(await ask({ stream_options: undefined }));
    expect(chunksIn(events).some((chunk) => 'usage' in chunk)).toBe(false);
    expect(events.at(-1)).toBe('[DONE]');
  });

  test('waits before its first token and between its pieces as configured', async () => {
    await simulator.setBehaviour('m', { firstTokenMs: 60_000 });
    const response = await ask();
    expect(response.status).toBe(200);
    await response.body?.cancel();
    await eventually('the call has ended', async () => (await simulator.openCalls()) === 0);
    expect(await simulator.calls()).toMatchObject([{ outcome: 'aborted-by-client', completionTokens: 0 }]);

    await simulator.clearCalls();
    await simulator.setBehaviour('m', { firstTokenMs: 0, pieceGapMs: 5 });
    expect(textIn(await eventsOf(await ask()))).toBe(await plainText());
    const [call] = await simulator.calls();
    expect(Number(call?.endedAtMs) - Number(call?.startedAtMs)).toBeGreaterThanOrEqual(8 * 4);
  });
});

describe('an abandoned stream', () => {
  test.each([true, false])('is charged for the text so far, or not at all: %s', async (chargesAborted) => {
    await simulator.setBehaviour('m', { pieceGapMs: 60_000, chargesAborted });
    await leaveAfterFirstPiece();
    await eventually('the call has ended', async () => (await simulator.openCalls()) === 0);
    const [call] = await simulator.calls();
    expect(call).toMatchObject({ outcome: 'aborted-by-client', status: 200, charged: chargesAborted });
    expect(call?.completionTokens).toBeGreaterThan(0);
    expect(call?.completionTokens).toBeLessThan(20);
  });

  test('is a reset if its provider goes down', async () => {
    await simulator.setBehaviour('m', { pieceGapMs: 60_000 });
    const response = await ask();
    await simulator.goDown();
    await expect(response.text()).rejects.toThrow();
    expect(await simulator.calls()).toMatchObject([{ outcome: 'reset', charged: true }]);
  });
});

describe('tools', () => {
  const tools = ['get_weather', 'get_time'].map((name) => ({ type: 'function', function: { name, parameters: {} } }));
  const messages = [
    { role: 'user', content: 'call get_weather {"city":"Paris, France"}\ncall get_time {"zone":"CET"}' },
  ];
  const expected = [
    { id: 'call_1_0_get_weather', function: { name: 'get_weather', arguments: '{"city":"Paris, France"}' } },
    { id: 'call_1_1_get_time', function: { name: 'get_time', arguments: '{"zone":"CET"}' } },
  ];

  test('are called if the user asks for them', async () => {
    const response = await ask({ tools, messages, stream: false, stream_options: undefined });
    expect(await response.json()).toMatchObject({
      choices: [{ message: { content: null, tool_calls: expected }, finish_reason: 'tool_calls' }],
    });
  });

  test('are called in a stream with their arguments in pieces', async () => {
    const chunks = chunksIn(await eventsOf(await ask({ tools, messages })));
    const deltas = chunks.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? []) as {
      index: number;
      id?: string;
      function: { name?: string; arguments: string };
    }[];
    expect(deltas.length).toBeGreaterThan(5);
    const joined = [0, 1].map((index) => {
      const own = deltas.filter((delta) => delta.index === index);
      const argumentsJson = own.map((delta) => delta.function.arguments).join('');
      return { id: own[0]?.id, function: { name: own[0]?.function.name, arguments: argumentsJson } };
    });
    expect(joined).toEqual(expected);
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('tool_calls');
  });

  test.each([
    ['that the request does not have', { tools: undefined }],
    ['that tool_choice forbids', { tools, tool_choice: 'none' }],
  ])('%s are not called', async (_case, body) => {
    const events = await eventsOf(await ask({ messages, ...body }));
    expect(textIn(events)).not.toBe('');
  });

  test('are called if tool_choice names them, and their result is answered with text', async () => {
    const forced = { type: 'function', function: { name: 'get_time' } };
    const body = { tools, tool_choice: forced, stream: false, stream_options: undefined };
    expect(await (await ask(body)).json()).toMatchObject({
      choices: [{ message: { tool_calls: [{ function: { name: 'get_time', arguments: '{}' } }] } }],
    });
    const answered = [...messages, { role: 'assistant', tool_calls: expected }, { role: 'tool', content: '18 °C' }];
    expect(textIn(await eventsOf(await ask({ tools, messages: answered })))).toBe('The tool says: 18 °C');
  });
});

test.each([
  ['any JSON', { type: 'json_object' }, { answer: expect.stringContaining('[ref:q1]') }],
  [
    'JSON of a schema',
    {
      type: 'json_schema',
      json_schema: {
        schema: {
          type: 'object',
          properties: {
            reply: { type: 'string' },
            mood: { enum: ['calm', 'cross'] },
            days: { type: 'integer' },
            tags: { type: 'array', items: { type: 'string' } },
          },
        },
      },
    },
    { reply: expect.stringContaining('[ref:q1]'), mood: 'calm', days: 1, tags: [expect.any(String)] },
  ],
])('%s is sent as requested', async (_case, response_format, expected) => {
  expect(JSON.parse(textIn(await eventsOf(await ask({ response_format }))))).toEqual(expected);
});

describe('a prefilled answer', () => {
  async function goOnFrom(beginning: string, prefill: ModelBehaviour['prefill']): Promise<string> {
    await simulator.setBehaviour('m', { prefill });
    const messages = [
      { role: 'user', content: question },
      { role: 'assistant', content: beginning },
    ];
    return textIn(await eventsOf(await ask({ messages })));
  }

  test('is continued', async () => {
    const whole = await plainText();
    expect(await goOnFrom(whole.slice(0, 17), 'continue')).toBe(whole.slice(17));
    expect(await goOnFrom(whole, 'continue')).toBe('');
  });

  test('is ignored, or answered with something else', async () => {
    const whole = await plainText();
    expect(await goOnFrom(whole.slice(0, 17), 'ignore')).toBe(whole);
    const other = await goOnFrom(whole.slice(0, 17), 'other');
    expect(other).not.toBe('');
    expect(whole.startsWith(other.slice(0, 5))).toBe(false);
  });

  test('is refused with a 400', async () => {
    await simulator.setBehaviour('m', { prefill: 'refuse' });
    const response = await ask({ messages: [{ role: 'assistant', content: 'Your' }] });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
    expect((await ask()).status).toBe(200);
  });
});

describe('a fault of a stream', () => {
  test.each<Fault>([
    { kind: 'reset-mid-body', afterTokens: 6 },
    { kind: 'cut', afterTokens: 6 },
  ])('cuts it off after the given tokens: $kind', async (fault) => {
    const response = await withFault(fault);
    const text = await response
      .clone()
      .text()
      .catch(() => 'reset');
    if (fault.kind === 'cut') {
      expect(text).not.toContain('finish_reason":"stop');
      expect(text).not.toContain('[DONE]');
    } else {
      expect(text).toBe('reset');
    }
    expect(await simulator.calls()).toMatchObject([
      { outcome: 'faulty', fault: fault.kind, completionTokens: 6, charged: true },
    ]);
  });

  test('comes before the first token if configured so', async () => {
    const events = await eventsOf(await withFault({ kind: 'cut', afterTokens: 0 }));
    expect(events).toMatchObject([{ choices: [{ delta: { role: 'assistant', content: '' } }] }]);
    expect(await simulator.calls()).toMatchObject([{ completionTokens: 0 }]);
  });

  test('stalls it until the client leaves', async () => {
    const response = await withFault({ kind: 'stall', afterTokens: 3 });
    const reader = response.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toContain('"role":"assistant"');
    expect(await simulator.openCalls()).toBe(1);
    await reader?.cancel();
    await eventually('the call has ended', async () => (await simulator.openCalls()) === 0);
    expect(await simulator.calls()).toMatchObject([{ outcome: 'aborted-by-client', completionTokens: 3 }]);
  });

  test.each<[Fault, RegExp]>([
    [
      { kind: 'error-in-body', code: 502, message: 'Upstream failed.' },
      /data: \{"error":\{"message":"Upstream failed\."/,
    ],
    [{ kind: 'invalid-json' }, /"created":\d+,\n\ndata: \{.*"finish_reason":"stop".*\[DONE\]/s],
    [{ kind: 'no-done' }, /"usage":\{[^\n]*\n\n$/],
    [{ kind: 'no-done', withUsage: false }, /"finish_reason":"stop"[^\n]*\n\n$/],
    [{ kind: 'no-usage' }, /"finish_reason":"stop"[^\n]*\n\ndata: \[DONE\]\n\n$/],
    [
      { kind: 'false-usage', usage: { completion_tokens: -5 } },
      /"usage":\{"completion_tokens":-5\}[^\n]*\n\ndata: \[DONE/,
    ],
    [{ kind: 'no-choices' }, /^data: \{[^\n]*"choices":\[\][^\n]*\n\ndata: \[DONE\]\n\n$/],
    [{ kind: 'null-content', finishReason: 'content_filter' }, /"content":null.*"finish_reason":"content_filter"/s],
    [{ kind: 'late-first-token', ms: 1 }, /"finish_reason":"stop".*\[DONE\]/s],
    [{ kind: 'html' }, /^<!doctype html>/],
    [{ kind: 'json-instead-of-stream' }, /^\{.*"object":"chat.completion",/],
    [{ kind: 'slow-body', bytesPerSecond: 1_000_000 }, /^data: \{.*\[DONE\]/s],
    [{ kind: 'large-body', bytes: 100_000 }, /^data: \{.{100000}.*\[DONE\]/s],
  ])('%j is visible on the wire', async (fault, expected) => {
    const response = await withFault(fault);
    expect(response.status).toBe(200);
    expect(await response.text()).toMatch(expected);
    await eventually('the call has ended', async () => (await simulator.openCalls()) === 0);
  });

  test('leaves it open after its usage', async () => {
    const response = await withFault({ kind: 'no-done', staysOpen: true });
    let text = '';
    for await (const bytes of response.body ?? []) {
      text += new TextDecoder().decode(bytes as Uint8Array);
      if (text.includes('"usage"')) break;
    }
    expect(text).not.toContain('[DONE]');
    expect(await simulator.calls()).toMatchObject([{ outcome: 'answered' }]);
  });
});

describe('a fault for streams', () => {
  test.each<[Fault, RegExp]>([
    [{ kind: 'error-in-body', code: 502 }, /^\{"error":\{/],
    [{ kind: 'cut' }, /^\{"id".*[^}]$/],
    [{ kind: 'no-done' }, /^\{"id".*\}$/],
    [{ kind: 'false-usage', usage: 'none' }, /^\{"id".*"usage":"none"\}$/],
    [{ kind: 'late-first-token', ms: 1 }, /^\{"id".*\}$/],
  ])('%j also has a plain form', async (fault, expected) => {
    const response = await withFault(fault, { stream: false, stream_options: undefined });
    expect(await response.text()).toMatch(expected);
  });
});
