/** The forms in which providers give one and the same answer, streamed and plain: each is read as its sender means it. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import type { CompletionResult, Provider } from '../../src/contract/provider';
import { createProvider } from '../../src/providers/openai-compatible';
import { completionRequest, model, patient } from './completion-request';

interface Response {
  readonly headers?: Readonly<Record<string, string>>;
  readonly status?: number;
  /** Each is a network chunk of its own. */
  readonly chunks: readonly (string | Uint8Array)[];
}

let server: Server;
let provider: Provider;
let response: Response;
let requests: { headers: NodeJS.Dict<string | string[]>; url: string | undefined }[];
let heard: string;

beforeAll(async () => {
  server = createServer((request, answer) => {
    requests.push({ headers: request.headers, url: request.url });
    request.resume().on('end', () => void respond(answer, response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  provider = createProvider({
    name: 'holysheep',
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    readApiKey: () => undefined,
    maxConnections: 4,
    maxResponseBytes: 1024 * 1024,
  });
});
afterAll(async () => {
  await provider.close();
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  requests = [];
});

async function respond(answer: ServerResponse, { headers, status = 200, chunks }: Response): Promise<void> {
  answer.writeHead(status, { 'content-type': 'text/event-stream', ...headers });
  answer.on('error', () => undefined);
  for (const chunk of chunks) {
    answer.write(chunk);
    await setImmediate();
  }
  answer.end();
}

async function complete(said: Response, isStreamed: boolean): Promise<CompletionResult> {
  response = said;
  heard = '';
  const onText = (text: string): void => {
    heard += text;
  };
  return provider.complete(completionRequest({ stream: isStreamed ? { limits: patient, onText } : undefined }));
}

const event = (value: unknown): string => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;
const done = event('[DONE]');
const choice = (delta: object, finishReason: string | null = null, more: object = {}) => ({
  model,
  choices: [{ index: 0, delta, finish_reason: finishReason, ...more }],
});
const text = (content: string, finishReason: string | null = null) => event(choice({ content }, finishReason));
const usage = { prompt_tokens: 20, completion_tokens: 7, total_tokens: 27 };
const usageEvent = event({ choices: [], usage });
const counted = { promptTokens: 20, completionTokens: 7, totalTokens: 27 };
const calls = (...parts: object[]) => event(choice({ tool_calls: parts }));
const callOf = (name: string, argumentsJson: string, id: unknown = expect.stringMatching(/^call_\w{24}$/)) => ({
  id,
  type: 'function',
  function: { name, arguments: argumentsJson },
});
const plain = (message: object, finishReason: string | null = 'stop', more: object = { usage }) =>
  JSON.stringify({ model, choices: [{ index: 0, message, finish_reason: finishReason }], ...more });

const counting = ['One, ', 'two, ', 'three, ', 'four.'];
const whole = { kind: 'completed', content: counting.join(''), finishReason: 'stop', usage: counted };
const hello = { kind: 'completed', content: 'Hello.', finishReason: 'stop', usage: counted };
const helloEvents = text('Hello.') + event(choice({}, 'stop')) + usageEvent + done;
const weather = '{"city":"Paris"}';
const time = '{"zone":"CET"}';
const twoCalls = {
  kind: 'completed',
  content: '',
  finishReason: 'tool_calls',
  toolCalls: [callOf('get_weather', weather), callOf('get_time', time)],
};
const oneCall = { ...twoCalls, toolCalls: [callOf('get_weather', weather, 'a')] };
const endOfCalls = event(choice({}, 'tool_calls')) + usageEvent + done;
const broken = {
  kind: 'failed',
  failure: { kind: 'connection', retryable: true, charge: 'unknown' },
  usage: counted,
};
const nothing = { kind: 'failed', failure: { kind: 'malformed-response', charge: 'unknown' }, usage: counted };
const brokenOff = ['insufficient_system_resource', 'network_error', 'abort', 'aborted', 'error'];
const unreadableCalls = [
  'MALFORMED_FUNCTION_CALL',
  'malformed_function_call',
  'unexpected_tool_call',
  'too_many_tool_calls',
];
/** Not the target's fault, and no better at a second try. */
const unreadable = { ...broken, failure: { ...broken.failure, retryable: false, mayBeAskedFor: true } };

/** Title, body, what is read from it. A stream as events, a whole response as JSON. */
type Form = readonly [title: string, body: string, expected: object];

const streams: readonly Form[] = [
  [
    'a reason and a usage in every event',
    counting
      .map((word, index) =>
        event({
          ...choice({ content: word }, 'stop'),
          usage: { ...usage, completion_tokens: index + 4, total_tokens: index + 24 },
        }),
      )
      .join('') + done,
    whole,
  ],
  [
    'a reason in every event, and the end of the body',
    counting.map((word) => text(word, 'stop')).join(''),
    { ...whole, usage: null },
  ],
  [
    'a reason in every event, and a usage at the end',
    counting.map((word) => text(word, 'stop')).join('') + usageEvent,
    whole,
  ],
  ['its usage in the choice', text('Hello.') + event(choice({}, 'stop', { usage })) + done, hello],
  [
    'its usage in x_groq',
    text('Hello.') + event({ ...choice({}, 'stop'), x_groq: { id: 'req_1', usage } }) + done,
    hello,
  ],
  ['its usage after [DONE]', text('Hello.') + event(choice({}, 'stop')) + done + usageEvent, hello],
  [
    'zeros after its usage',
    text('Hello.') +
      event(choice({}, 'stop', { usage })) +
      event({ choices: [], usage: { prompt_tokens: 0, completion_tokens: 0 } }) +
      done,
    hello,
  ],
  [
    'the prompt counted first and the answer last',
    event({ choices: [], usage: { prompt_tokens: 20 } }) +
      text('Hello.') +
      event({ ...choice({}, 'stop'), usage: { completion_tokens: 7, total_tokens: 27 } }) +
      done,
    hello,
  ],
  ['no finish reason before [DONE]', text('Hello.') + usageEvent + done, { ...hello, finishReason: null }],
  [
    'no finish reason before [DONE], and no usage',
    text('Hello.') + done,
    { ...hello, finishReason: null, usage: null },
  ],
  ['no finish reason before its usage, which ends it', text('Hello.') + usageEvent, { ...hello, finishReason: null }],
  ['events divided by one line break', helloEvents.replaceAll('\n\n', '\n'), hello],
  ['events divided by CR', helloEvents.replaceAll('\n', '\r'), hello],
  [
    'names and one line break',
    helloEvents.replaceAll('\n\n', '\n').replaceAll('data:', 'event: message\ndata:'),
    hello,
  ],
  ['pings with words', helloEvents.replaceAll('data:', 'event: ping\ndata: still here\n\ndata:'), hello],
  [
    'pings with words and one line break',
    helloEvents.replaceAll('\n\n', '\n').replaceAll('data:', 'event: ping\ndata: still here\nevent: message\ndata:'),
    hello,
  ],
  [
    'pings that are events without names',
    helloEvents.replaceAll('data:', 'data: keep-alive\n\ndata: null\n\ndata:'),
    hello,
  ],
  [
    'an event over several lines',
    event(JSON.stringify(choice({ content: 'Hello.' }), null, 2).replaceAll('\n', '\ndata: ')) +
      event(choice({}, 'stop')) +
      usageEvent +
      done,
    hello,
  ],
  ['bare JSON, one a line', helloEvents.replaceAll('\n\n', '\n').replaceAll('data: ', ''), hello],
  [
    'content as parts',
    event(
      choice({
        content: [
          { type: 'text', text: 'Hel' },
          { type: 'text', text: 'lo' },
        ],
      }),
    ) +
      event(choice({ content: { type: 'text', text: '.' } })) +
      event(choice({}, 'stop')) +
      usageEvent +
      done,
    hello,
  ],
  [
    'thoughts as parts',
    event(choice({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'Hm' }] }] })) + helloEvents,
    { ...hello, thoughts: 'Hm' },
  ],
  [
    'thoughts',
    event(choice({ role: 'assistant', content: null, reasoning_content: 'Who ' })) +
      event(choice({ content: null, reasoning_content: 'asks?' })) +
      helloEvents,
    { ...hello, thoughts: 'Who asks?' },
  ],
  [
    'thoughts under both names',
    event(choice({ content: '', reasoning: 'Hm', reasoning_content: 'Hm' })) + helloEvents,
    { ...hello, thoughts: 'Hm' },
  ],
  [
    'nothing but thoughts until its limit',
    event(choice({ content: '', reasoning_content: 'Hm' })) + event(choice({}, 'length')) + usageEvent + done,
    { kind: 'completed', content: '', finishReason: 'length', thoughts: 'Hm', usage: counted },
  ],
  [
    'nothing until its limit',
    event(choice({ content: '' }, 'length')) + usageEvent + done,
    { kind: 'completed', content: '', finishReason: 'length', usage: counted },
  ],
  ['nothing', event(choice({ content: '' }, 'stop')) + usageEvent + done, nothing],
  ['white space', text('\n') + text(' \u3000') + event(choice({}, 'stop')) + usageEvent + done, nothing],
  ['white space before its text', text('\n') + text(' ') + helloEvents, { ...hello, content: '\n Hello.' }],
  [
    'nothing but thoughts',
    event(choice({ reasoning_content: 'Hm' })) + event(choice({}, 'stop')) + usageEvent + done,
    nothing,
  ],
  ...brokenOff.map((reason): Form => [
    `the reason ${reason}`,
    text('Your order has') + event(choice({}, reason)) + usageEvent + done,
    broken,
  ]),
  ...unreadableCalls.map((reason): Form => [
    `the reason ${reason}`,
    text('Your order has') + event(choice({}, reason)) + usageEvent + done,
    unreadable,
  ]),
  ...[{}, { index: 0, id: 'a', type: 'function' }, { function: { arguments: '{}' } }].map((part): Form => [
    `a call without a name: ${JSON.stringify(part)}`,
    calls(part) + endOfCalls,
    nothing,
  ]),
  [
    'a call that breaks off without a reason',
    calls({ index: 0, id: 'a', function: { name: 'pay', arguments: '{"amount": 1' } }) + usageEvent + done,
    { ...broken, hasSpoken: true },
  ],
  [
    'pings that are JSON without an object',
    helloEvents.replaceAll('data:', 'data: ""\n\ndata: 7\n\ndata: true\n\ndata: []\n\ndata:'),
    hello,
  ],
  ...['{"choices":[{"delta":{"content":"not ', '[{"choices":[{"delta"'].map((half): Form => [
    `half an event that has a name: ${half}`,
    `event: completion\n${text('Pay ')}event: completion\ndata: ${half}\n\nevent: completion\n${helloEvents}`,
    { kind: 'failed', failure: { kind: 'malformed-response' } },
  ]),
  [
    'a usage before its text, and none after it',
    event({ ...choice({ role: 'assistant' }), usage: { ...usage, completion_tokens: 0 } }) +
      text('Hello.') +
      event(choice({}, 'stop')) +
      done,
    { ...hello, usage: null },
  ],
  [
    'a usage before its text, and the whole one after [DONE]',
    event({ ...choice({ role: 'assistant' }), usage: { ...usage, completion_tokens: 0, total_tokens: 20 } }) +
      text('Hello.') +
      event(choice({}, 'stop')) +
      done +
      usageEvent,
    hello,
  ],
  [
    'a usage before its text, and zeros after it',
    event({ ...choice({ role: 'assistant' }), usage: { ...usage, completion_tokens: 1 } }) +
      text('Hello.') +
      event(choice({}, 'stop')) +
      event({ choices: [], usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 } }) +
      done,
    { ...hello, usage: null },
  ],
  [
    'a usage before its text, which is broken off',
    event({ ...choice({ role: 'assistant' }), usage: { ...usage, completion_tokens: 0 } }) +
      text('Your order has') +
      event(choice({}, 'network_error')) +
      done,
    { ...broken, usage: null, hasSpoken: true },
  ],
  [
    'zeros and null where its last usage says nothing new',
    text('Hello.') +
      event({ ...choice({}, 'stop'), usage: { prompt_tokens: 20, completion_tokens: 5, total_tokens: 27 } }) +
      event({ choices: [], usage: { prompt_tokens: 0, completion_tokens: 7, total_tokens: null } }) +
      done,
    hello,
  ],
  [
    'a reason already beside the role',
    event(choice({ role: 'assistant', content: '' }, 'stop')) +
      counting.map((word) => text(word)).join('') +
      usageEvent +
      done,
    whole,
  ],
  [
    'an error after a reason beside the role',
    event(choice({ role: 'assistant', content: '' }, 'stop')) +
      event({ error: { message: 'Overloaded', type: 'overloaded_error' } }),
    { kind: 'failed', failure: { kind: 'server-error' } },
  ],
  [
    'an error after a reason beside its first word',
    text('One, ', 'stop') + event({ error: { message: 'Overloaded', type: 'overloaded_error' } }),
    { kind: 'failed', failure: { kind: 'server-error' } },
  ],
  [
    'two calls with index 0 and no id',
    calls({ index: 0, id: '', type: 'function', function: { name: 'get_weather', arguments: weather } }) +
      calls({ index: 0, id: '', type: 'function', function: { name: 'get_time', arguments: time } }) +
      endOfCalls,
    twoCalls,
  ],
  [
    'two equal calls with index 0 and no id',
    calls({ index: 0, id: '', function: { name: 'roll', arguments: '{}' } }).repeat(2) + endOfCalls,
    { ...twoCalls, toolCalls: [callOf('roll', '{}'), callOf('roll', '{}')] },
  ],
  [
    'two calls with one id',
    calls(
      { index: 0, id: 'a', function: { name: 'get_weather', arguments: weather } },
      { index: 1, id: 'a', function: { name: 'get_time', arguments: time } },
    ) + endOfCalls,
    { ...twoCalls, toolCalls: [callOf('get_weather', weather, 'a'), callOf('get_time', time)] },
  ],
  [
    'two calls without index or id, in parts',
    calls({ function: { name: 'get_weather', arguments: '' } }) +
      calls({ function: { arguments: '{"city":' } }) +
      calls({ function: { arguments: '"Paris"}' } }) +
      calls({ function: { name: 'get_time', arguments: '{"zone":' } }) +
      calls({ function: { arguments: '"CET"}' } }) +
      endOfCalls,
    twoCalls,
  ],
  [
    'parts of two calls that only their ids tell apart',
    calls(
      { id: 'a', function: { name: 'get_weather', arguments: '' } },
      { id: 'b', function: { name: 'get_time', arguments: '' } },
    ) +
      calls({ id: 'a', function: { arguments: weather } }, { id: 'b', function: { arguments: time } }) +
      endOfCalls,
    { ...twoCalls, toolCalls: [callOf('get_weather', weather, 'a'), callOf('get_time', time, 'b')] },
  ],
  [
    'another id in each part of a call',
    calls({ index: 0, id: 'a', function: { name: 'get_weather', arguments: '' } }) +
      calls({ index: 0, id: 'b', function: { arguments: '{"city":' } }) +
      calls({ index: 0, id: 'c', function: { arguments: '"Paris"}' } }) +
      endOfCalls,
    oneCall,
  ],
  [
    'another id and the name in each part of a call',
    calls({ index: 0, id: 'a', function: { name: 'get_weather', arguments: '{"ci' } }) +
      calls({ index: 0, id: 'b', function: { name: 'get_weather', arguments: 'ty":' } }) +
      calls({ index: 0, id: 'c', function: { name: 'get_weather', arguments: '"Paris"}' } }) +
      endOfCalls,
    oneCall,
  ],
  [
    'a call that is sent again at its end',
    calls({ index: 0, id: 'a', function: { name: 'get_weather', arguments: '{"city":' } }) +
      calls({ index: 0, function: { arguments: '"Paris"}' } }) +
      calls({ index: 0, id: 'a', function: { name: 'get_weather', arguments: weather } }) +
      endOfCalls,
    oneCall,
  ],
  [
    'empty arguments before the arguments',
    calls({ index: 0, id: 'a', function: { name: 'get_weather', arguments: '{}' } }) +
      calls({ index: 0, function: { arguments: '{"city":' } }) +
      calls({ index: 0, function: { arguments: '"Paris"}' } }) +
      endOfCalls,
    oneCall,
  ],
  [
    'arguments as an object',
    calls({ index: 0, id: 'a', function: { name: 'get_weather', arguments: { city: 'Paris' } } }) + endOfCalls,
    oneCall,
  ],
  [
    'a call without arguments',
    calls({ index: 0, id: 'a', function: { name: 'now' } }) + endOfCalls,
    { ...oneCall, toolCalls: [callOf('now', '{}', 'a')] },
  ],
  [
    'calls that end for the reason stop',
    calls({ index: 0, id: 'a', function: { name: 'get_weather', arguments: weather } }) +
      event(choice({}, 'stop')) +
      usageEvent +
      done,
    oneCall,
  ],
  [
    'calls that end without a reason',
    calls({ index: 0, id: 'a', function: { name: 'get_weather', arguments: weather } }) + usageEvent + done,
    oneCall,
  ],
  [
    'a call that its limit cut',
    calls({ index: 0, id: 'a', function: { name: 'get_weather', arguments: '{"ci' } }) +
      event(choice({}, 'length')) +
      usageEvent +
      done,
    { ...oneCall, finishReason: 'length', toolCalls: [callOf('get_weather', '{"ci', 'a')] },
  ],
  ['no call for the reason tool_calls', text('Hello.') + event(choice({}, 'tool_calls')) + usageEvent + done, hello],
  [
    'thoughts before calls',
    event(choice({ reasoning_content: 'Look it up.' })) +
      calls({ index: 0, id: 'a', function: { name: 'get_weather', arguments: weather } }) +
      endOfCalls,
    { ...oneCall, thoughts: 'Look it up.' },
  ],
  [
    'a body that ends before any reason',
    text('Hel'),
    { kind: 'failed', failure: { kind: 'connection', retryable: true } },
  ],
  [
    'words amid its text that are half an event',
    text('Hel') + 'data: {"choices":[{"del\n\n' + text('lo.', 'stop') + done,
    { kind: 'failed', failure: { kind: 'malformed-response' } },
  ],
  ['a whole answer as its only event', event(plain({ content: 'Hello.' })) + done, hello],
  [
    'a whole answer after its parts',
    text('Hello.') + event({ ...choice({}), ...JSON.parse(plain({ content: 'Hello.' })) }) + done,
    hello,
  ],
];

const wholes: readonly Form[] = [
  [
    'its usage in the choice',
    JSON.stringify({ model, choices: [{ message: { content: 'Hello.' }, finish_reason: 'stop', usage }] }),
    hello,
  ],
  ['its usage in x_groq', plain({ content: 'Hello.' }, 'stop', { x_groq: { usage } }), hello],
  [
    'content as parts',
    plain({
      content: [
        { type: 'text', text: 'Hel' },
        { type: 'text', text: 'lo.' },
      ],
    }),
    hello,
  ],
  ['thoughts', plain({ content: 'Hello.', reasoning_content: 'Hm' }), { ...hello, thoughts: 'Hm' }],
  ['thoughts by another name', plain({ content: 'Hello.', reasoning: 'Hm' }), { ...hello, thoughts: 'Hm' }],
  [
    'thoughts as parts',
    plain({
      content: [
        { type: 'thinking', thinking: 'Hm' },
        { type: 'text', text: 'Hello.' },
      ],
    }),
    { ...hello, thoughts: 'Hm' },
  ],
  [
    'nothing but thoughts until its limit',
    plain({ content: null, reasoning_content: 'Hm' }, 'length'),
    { kind: 'completed', content: '', finishReason: 'length', thoughts: 'Hm', usage: counted },
  ],
  [
    'no content until its limit',
    plain({ role: 'assistant' }, 'length'),
    { kind: 'completed', content: '', finishReason: 'length', usage: counted },
  ],
  ['nothing', plain({ content: '' }), nothing],
  ['white space', plain({ content: '\n \u3000' }), nothing],
  ['white space before its text', plain({ content: '\n Hello.' }), { ...hello, content: '\n Hello.' }],
  ['nothing but thoughts', plain({ content: null, reasoning_content: 'Hm' }), nothing],
  ...brokenOff.map((reason): Form => [`the reason ${reason}`, plain({ content: 'Your order has' }, reason), broken]),
  ...unreadableCalls.map((reason): Form => [`the reason ${reason}`, plain({ content: null }, reason), unreadable]),
  ['a call without a name', plain({ tool_calls: [{ id: 'a', function: { arguments: '{}' } }] }), nothing],
  ['a call without a function', plain({ content: 'Hello.', tool_calls: [{}] }), nothing],
  [
    'a call of another type',
    plain({ tool_calls: [{ id: 'a', type: 'custom', custom: { name: 'f', input: 'x' } }] }),
    { kind: 'completed', toolCalls: [{ id: 'a', type: 'custom', custom: { name: 'f', input: 'x' } }] },
  ],
  [
    'a call that breaks off without a reason',
    plain({ tool_calls: [{ id: 'a', function: { name: 'pay', arguments: '{"amount": 1' } }] }, null),
    broken,
  ],
  [
    'calls without ids',
    plain(
      {
        content: null,
        tool_calls: [
          { function: { name: 'get_weather', arguments: { city: 'Paris' } } },
          { id: '', function: { name: 'get_time', arguments: time } },
        ],
      },
      'tool_calls',
    ),
    twoCalls,
  ],
  [
    'calls with one id',
    plain({
      tool_calls: [
        { id: 'a', function: { name: 'get_weather', arguments: weather } },
        { id: 'a', type: 'function', function: { name: 'get_time', arguments: time } },
      ],
    }),
    { ...twoCalls, toolCalls: [callOf('get_weather', weather, 'a'), callOf('get_time', time)] },
  ],
  [
    'a call without arguments',
    plain({ tool_calls: [{ id: 'a', function: { name: 'now', arguments: null } }] }),
    { ...oneCall, toolCalls: [callOf('now', '{}', 'a')] },
  ],
  [
    'calls that end for the reason stop',
    plain({ content: '', tool_calls: [{ id: 'a', function: { name: 'get_weather', arguments: weather } }] }),
    oneCall,
  ],
  ['blank lines before it', `\n\n \n${plain({ content: 'Hello.' })}`, hello],
];

const deliveries = [
  ['a stream', true],
  ['a whole response', false],
] as const;
const types = ['text/event-stream', 'application/json', 'text/plain'];

describe.each(deliveries)('where %s was requested', (_requested, isStreamed) => {
  test.each(streams)('a stream with %s', async (_title, body, expected) => {
    const result = await complete({ chunks: [body] }, isStreamed);
    expect(result).toMatchObject(expected);
    if (isStreamed && result.kind === 'completed') expect(heard).toBe(result.content);
  });

  test.each(wholes)('JSON with %s', async (_title, body, expected) => {
    const result = await complete({ chunks: [body], headers: { 'content-type': 'application/json' } }, isStreamed);
    expect(result).toMatchObject(expected);
    if (isStreamed && result.kind === 'completed') expect(heard).toBe(result.content);
  });

  test('white space alone is not told, so that another attempt has nothing to take back', async () => {
    const blank = text('\n') + text(' ') + event(choice({}, 'stop')) + usageEvent + done;
    for (const body of [blank, plain({ content: '\n ' })]) {
      expect(await complete({ chunks: [body] }, isStreamed)).toMatchObject(nothing);
      expect(heard).toBe('');
    }
  });

  test('the first token of a stream has its time, and a whole response has none', async () => {
    const spoken = await complete({ chunks: [event(choice({ role: 'assistant' })), helloEvents] }, isStreamed);
    const silent = await complete({ chunks: [event(choice({}, 'length')), done] }, isStreamed);
    expect(silent.firstTokenMs).toBe(isStreamed ? null : undefined);
    if (!isStreamed) expect(spoken.firstTokenMs).toBeUndefined();
    else {
      expect(spoken.firstTokenMs).toBeGreaterThanOrEqual(0);
      expect(spoken.firstTokenMs).toBeLessThanOrEqual(spoken.latencyMs);
    }
  });

  test.each(types)('what is labelled %s is read as what it is', async (contentType) => {
    const headers = { 'content-type': contentType };
    expect(await complete({ headers, chunks: [helloEvents] }, isStreamed)).toMatchObject(hello);
    expect(await complete({ headers, chunks: [plain({ content: 'Hello.' })] }, isStreamed)).toMatchObject(hello);
    expect(await complete({ headers, chunks: ['<html>busy</html>'] }, isStreamed)).toMatchObject({
      kind: 'failed',
      failure: { kind: 'malformed-response' },
    });
  });

  test.each([helloEvents, plain({ content: 'Hello.' })])(
    'what is compressed is read, though nobody asked for it (%#)',
    async (body) => {
      const bytes = Buffer.from(body);
      const forms = [
        [{ 'content-encoding': 'gzip' }, gzipSync(bytes)],
        [{ 'content-encoding': 'GZIP ' }, gzipSync(bytes)],
        [{}, gzipSync(bytes)],
        [{ 'content-encoding': 'br' }, brotliCompressSync(bytes)],
        [{ 'content-encoding': 'deflate' }, deflateSync(bytes)],
        [{ 'content-encoding': 'deflate' }, deflateRawSync(bytes)],
        [{ 'content-encoding': 'gzip' }, bytes],
        [{ 'content-encoding': 'identity' }, bytes],
      ] as const;
      for (const [headers, wire] of forms) {
        const chunks = [wire.subarray(0, 1), wire.subarray(1, 30), wire.subarray(30)];
        expect(await complete({ headers, chunks }, isStreamed)).toMatchObject(hello);
      }
      expect(requests.map(({ headers }) => headers['accept-encoding'])).toEqual(forms.map(() => 'identity'));
    },
  );

  test.each([
    [
      'cannot be decompressed',
      'gzip',
      Buffer.concat([gzipSync(helloEvents).subarray(0, 20), Buffer.alloc(100, 7)]),
      'malformed-response',
    ],
    [
      'unfolds into more than the limit',
      'gzip',
      gzipSync(Buffer.from(plain({ content: 'x'.repeat(5_000_000) }))),
      'response-too-large',
    ],
    [
      'unfolds without end',
      'br',
      brotliCompressSync(Buffer.alloc(90_000_000, ': still here\n\n')),
      'response-too-large',
    ],
    ['is cut', 'gzip', gzipSync(text('Hello.') + text('Bye.')).subarray(0, 60), 'connection'],
  ])('what is compressed and %s is no answer', async (_case, encoding, wire, kind) => {
    const result = await complete({ headers: { 'content-encoding': encoding }, chunks: [wire] }, isStreamed);
    expect(result).toMatchObject({ kind: 'failed', failure: { kind, charge: 'unknown' } });
  });

  test('an error status with an error in a stream is that error', async () => {
    const chunks = [event({ error: { message: 'slow down', code: 'rate_limit_exceeded' } })];
    expect(await complete({ status: 429, chunks }, isStreamed)).toMatchObject({
      failure: { kind: 'rate-limited', httpStatus: 429 },
    });
  });
});

test.each([
  [
    'zeros beside a total',
    { prompt_tokens: 21, completion_tokens: 0, total_tokens: 81 },
    { promptTokens: 21, completionTokens: 0, totalTokens: 81 },
  ],
  [
    'thoughts beside the answer',
    { prompt_tokens: 20, completion_tokens: 198, total_tokens: 623 },
    { completionTokens: 198, totalTokens: 623 },
  ],
  [
    'no completion tokens',
    { prompt_tokens: 20, total_tokens: 623 },
    { promptTokens: 20, completionTokens: undefined, totalTokens: 623 },
  ],
  [
    'thoughts in the details',
    { prompt_tokens: 21, completion_tokens: 0, completion_tokens_details: { reasoning_tokens: 60 } },
    { reasoningTokens: 60 },
  ],
  [
    'thoughts beside the counts',
    { prompt_tokens: 21, completion_tokens: 70, reasoning_tokens: 60 },
    { reasoningTokens: 60 },
  ],
  [
    'other names',
    { input_tokens: 21, output_tokens: 70, output_tokens_details: { reasoning_tokens: 60 } },
    { promptTokens: 21, completionTokens: 70, reasoningTokens: 60 },
  ],
  [
    "DeepSeek's cache",
    { prompt_tokens: 21, completion_tokens: 7, prompt_cache_hit_tokens: 16, prompt_cache_miss_tokens: 5 },
    { cachedPromptTokens: 16 },
  ],
  ["Moonshot's cache", { prompt_tokens: 21, completion_tokens: 7, cached_tokens: 16 }, { cachedPromptTokens: 16 }],
  [
    'words for numbers',
    { prompt_tokens: 21, completion_tokens: 7, total_tokens: 'many', reasoning_tokens: '60' },
    { promptTokens: 21, completionTokens: 7, cachedPromptTokens: 0 },
  ],
])('a usage with %s is passed on with all that says what it costs', async (_case, reported, expected) => {
  const chunks = [plain({ content: 'Hello.' }, 'stop', { usage: reported })];
  const result = await complete({ chunks }, false);
  if (result.kind !== 'completed') throw new Error('The call was not answered.');
  expect(result.usage).toMatchObject(expected);
  expect(Object.keys(result.usage ?? {})).toEqual(expect.arrayContaining(Object.keys(expected)));
});

describe('thoughts', () => {
  const thought = 'ж'.repeat(1_000);

  test('are kept up to a limit, and the answer is one', async () => {
    const events = event(choice({ reasoning_content: thought })).repeat(200);
    const result = await complete({ chunks: [events, helloEvents] }, true);
    if (result.kind !== 'completed') throw new Error('The call was not answered.');
    expect(result).toMatchObject(hello);
    expect(Buffer.byteLength(result.thoughts ?? '')).toBe(128 * 1024);
  });

  test('are left out if there is no room for them beside the answer', async () => {
    const content = 'x'.repeat(1024 * 1024 - 40_000);
    const message = { content, reasoning_content: thought.repeat(60) };
    const headers = { 'content-type': 'application/json' };
    const result = await complete({ headers, chunks: [plain(message).replaceAll('\\n', '')] }, false);
    expect(result).not.toHaveProperty('thoughts');
  });
});

/** Made ids differ from call to call. */
function withoutMadeIds(result: CompletionResult): unknown {
  const { latencyMs: _latencyMs, firstTokenMs: _firstTokenMs, ...rest } = result;
  return JSON.parse(JSON.stringify(rest).replaceAll(/call_[0-9a-f]{24}/g, 'call_made'));
}

test('any split of any of these bodies into network chunks gives the same answer', async () => {
  const bodies = [
    ...streams.map(([, body]) => body),
    ...wholes.map(([, body]) => body),
    event(choice({ content: '您可以退货 🐑' })) + event(choice({}, 'stop')) + usageEvent,
  ].flatMap((body): { wire: Buffer; headers: Record<string, string> }[] => [
    { wire: Buffer.from(body), headers: {} },
    { wire: gzipSync(body), headers: { 'content-encoding': 'gzip' } },
  ]);
  for (const { wire, headers } of bodies) {
    const expected = withoutMadeIds(await complete({ headers, chunks: [wire] }, true));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(wire.length), { maxLength: 12 }), async (cuts) => {
        const places = [0, ...cuts.toSorted((a, b) => a - b), wire.length];
        const chunks = places.map((place, index) => wire.subarray(place, places[index + 1] ?? wire.length));
        expect(
          withoutMadeIds(await complete({ headers, chunks: chunks.filter(({ length }) => length > 0) }, true)),
        ).toEqual(expected);
      }),
      { numRuns: 4 },
    );
  }
});
