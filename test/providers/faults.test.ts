/** All faults of the simulator, streamed and plain: what the adapter reports, and that nothing is left behind. */
import { getEventListeners } from 'node:events';
import type { Socket } from 'node:net';
import type { StreamLimits } from '../../src/contract/policy';
import { createProvider } from '../../src/providers/openai-compatible';
import type { CompletionRequest, CompletionResult, Provider } from '../../src/contract/provider';
import { faults, type Fault } from '../../src/local/simulator/behaviour';
import { startSimulator, type Simulator } from '../../src/local/simulator/simulator';
import { eventually } from '../support/eventually';
import { holdTimers, type HeldTimers } from '../support/held-timers';
import { startMisbehavingServer } from '../support/misbehaving-server';
import { completionRequest, model, patient, patientMs, userText } from './completion-request';

/** For calls that are meant to be broken off: passed by hand. */
const heldMs = 600_000;
/** For calls of which it does not matter how they end. */
const impatientMs = 1_000;
const forEverMs = 3_600_000;

let simulator: Simulator;
let provider: Provider;
let heard: string;
let timers: HeldTimers;

beforeEach(async () => {
  timers = holdTimers();
  simulator = await startSimulator({ models: { [model]: {} } });
  provider = providerAt(simulator.baseUrl);
  heard = '';
});

afterEach(async () => {
  await provider.close();
  await simulator.close();
  timers.release();
});

function providerAt(baseUrl: string): Provider {
  return createProvider({
    name: 'holysheep',
    baseUrl,
    readApiKey: () => 'sk-first-key',
    maxConnections: 1,
    maxResponseBytes: 200_000,
  });
}

function request(limits: Partial<StreamLimits> | null, changes: Partial<CompletionRequest> = {}): CompletionRequest {
  const onText = (text: string): void => {
    heard += text;
  };
  return completionRequest({
    stream: limits === null ? undefined : { limits: { ...patient, ...limits }, onText },
    ...changes,
  });
}

/** One line: `server-error retryable unknown bytes`, or `answered`. */
function summaryOf(result: CompletionResult): string {
  if (result.kind === 'completed') return result.usage === null ? 'answered, usage unknown' : 'answered';
  const { kind, retryable, charge } = result.failure;
  return `${kind} ${retryable ? 'retryable' : 'final'} ${charge} ${result.receivedBytes ? 'bytes' : 'nothing'}`;
}

const same = null;
/** Title, fault, what is reported of a stream, limits of the stream, what is reported of a plain call. */
const rows: readonly [string, Fault, string, Partial<StreamLimits>, string | typeof same][] = [
  ['429', faults.rateLimited(), 'rate-limited retryable not-charged bytes', {}, same],
  ['500', faults.serverError(500), 'server-error retryable not-charged bytes', {}, same],
  ['503', faults.serverError(503), 'server-error retryable not-charged bytes', {}, same],
  ['400 for the length', faults.contextLength(), 'context-length final not-charged bytes', {}, same],
  ['400 for the content', faults.contentFilter(), 'content-filter final not-charged bytes', {}, same],
  ['400 for the prefill', faults.prefillRefused(), 'bad-request final not-charged bytes', {}, same],
  ['a reset before headers', { kind: 'reset' }, 'connection retryable unknown nothing', {}, same],
  [
    'silence after accept: the call ends at the first-byte limit',
    { kind: 'silence' },
    'timeout final unknown nothing',
    { firstByteMs: heldMs },
    'timeout retryable unknown nothing',
  ],
  [
    'headers at once and no token: the call ends at the first-token limit',
    { kind: 'late-first-token', ms: forEverMs },
    'timeout final unknown bytes',
    { firstTokenMs: heldMs },
    'timeout retryable unknown bytes',
  ],
  ['headers at once and a token a little later', { kind: 'late-first-token', ms: 50 }, 'answered', {}, same],
  [
    'a stall mid-answer: the call ends at the idle limit',
    { kind: 'stall' },
    'timeout final unknown bytes',
    { idleMs: heldMs },
    'timeout retryable unknown bytes',
  ],
  [
    'a byte at a time: the call ends at the first-token limit',
    { kind: 'slow-body', bytesPerSecond: 20 },
    'timeout final unknown bytes',
    { firstTokenMs: heldMs },
    'timeout retryable unknown bytes',
  ],
  ['a reset mid-answer', { kind: 'reset-mid-body' }, 'connection retryable unknown bytes', {}, same],
  [
    'a reset before the first token',
    { kind: 'reset-mid-body', afterTokens: 0 },
    'connection retryable unknown bytes',
    {},
    same,
  ],
  [
    'a clean close without finish reason',
    { kind: 'cut' },
    'connection retryable unknown bytes',
    {},
    'malformed-response final unknown bytes',
  ],
  ['a malformed chunk', { kind: 'invalid-json' }, 'malformed-response final unknown bytes', {}, same],
  [
    'an error of the server in the body',
    { kind: 'error-in-body', code: 502 },
    'server-error retryable unknown bytes',
    {},
    same,
  ],
  [
    'an error in the body before the first token',
    { kind: 'error-in-body', type: 'rate_limit_error', afterTokens: 0 },
    'rate-limited retryable unknown bytes',
    {},
    same,
  ],
  [
    'a refusal of the content in the body',
    { kind: 'error-in-body', code: 'content_filter' },
    'content-filter final unknown bytes',
    {},
    same,
  ],
  ['no [DONE], closed after the usage', { kind: 'no-done' }, 'answered', {}, same],
  ['no [DONE], open after the usage', { kind: 'no-done', staysOpen: true }, 'answered', {}, same],
  [
    'no [DONE], closed after the finish reason',
    { kind: 'no-done', withUsage: false },
    'answered, usage unknown',
    {},
    'answered',
  ],
  [
    'no [DONE], open after the finish reason',
    { kind: 'no-done', withUsage: false, staysOpen: true },
    'answered, usage unknown',
    {},
    'answered',
  ],
  ['no usage', { kind: 'no-usage' }, 'answered, usage unknown', {}, same],
  ['plain JSON', { kind: 'json-instead-of-stream' }, 'answered', {}, same],
  ['HTML with 200', { kind: 'html' }, 'malformed-response final unknown bytes', {}, same],
  ['no choices', { kind: 'no-choices' }, 'malformed-response final unknown bytes', {}, same],
  ['no content', { kind: 'null-content' }, 'malformed-response final unknown bytes', {}, same],
  [
    'a withheld answer',
    { kind: 'null-content', finishReason: 'content_filter' },
    'content-filter final unknown bytes',
    {},
    same,
  ],
  ['10 MB', { kind: 'large-body', bytes: 10_000_000 }, 'response-too-large final unknown bytes', {}, same],
  [
    'an answer without end',
    { kind: 'large-body', bytes: Number.MAX_SAFE_INTEGER },
    'response-too-large final unknown bytes',
    {},
    same,
  ],
];

/** The result of a call whose limit passes once all that is expected has come, as often as it is moved. */
async function resultAtLimit(call: Promise<CompletionResult>, expected: string): Promise<CompletionResult> {
  await eventually('the provider has the call', async () => (await simulator.openCalls()) === 1);
  if (expected.endsWith(' bytes')) await eventually('its answer has begun', () => timers.heads() === 1);
  let isOver = false;
  const result = call.finally(() => (isOver = true));
  await eventually('the call is broken off', () => {
    timers.pass(heldMs);
    return isOver;
  });
  return result;
}

async function expectNothingLeft(): Promise<void> {
  await eventually('the call is gone', async () => (await simulator.openCalls()) === 0);
  expect(await provider.complete(request({}))).toMatchObject({ kind: 'completed' });
}

describe('of a stream', () => {
  test.each(rows)('%s', async (_title, fault, expected, limits) => {
    await simulator.queueFaults(model, [fault]);
    const stop = new AbortController();
    const call = provider.complete(request(limits, { signal: stop.signal }));
    const isBrokenOff = Object.keys(limits).length > 0;
    const result = await (isBrokenOff ? resultAtLimit(call, expected) : call);
    expect(summaryOf(result)).toBe(expected);
    if (result.kind === 'completed') expect(heard).toBe(result.content);
    else {
      expect(result.failure.message).not.toContain('sk-first-key');
      for (const limitMs of Object.values(limits)) expect(result.failure.message).toContain(`limit of ${limitMs} ms`);
    }
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0);
    await expectNothingLeft();
  });
});

describe('of a plain call', () => {
  test.each(rows)('%s', async (_title, fault, ofStream, limits, ofPlain) => {
    await simulator.queueFaults(model, [fault]);
    const expected = ofPlain ?? ofStream;
    const isBrokenOff = Object.keys(limits).length > 0;
    const call = provider.complete(request(null, { timeoutMs: isBrokenOff ? heldMs : patientMs }));
    const result = await (isBrokenOff ? resultAtLimit(call, expected) : call);
    expect(summaryOf(result)).toBe(expected);
    await expectNothingLeft();
  });
});

test('of many streams at once: every one ends, and no handle is left', async () => {
  const handles = (): number =>
    process.getActiveResourcesInfo().filter((name) => /^(TCPSocketWrap|Timeout|Immediate)$/.test(name)).length;
  const idle = providerAt(simulator.baseUrl);
  await idle.complete(request({}));
  await idle.close();
  await eventually('the connection is closed', async () => (await simulator.openConnections()) === 0);
  const before = handles();

  const many = createProvider({
    name: 'holysheep',
    baseUrl: simulator.baseUrl,
    readApiKey: () => undefined,
    maxConnections: 50,
    maxResponseBytes: 200_000,
  });
  await simulator.queueFaults(
    model,
    [...rows, ...rows].map(([, fault]) => fault),
  );
  const hasty = { firstByteMs: impatientMs, firstTokenMs: impatientMs, idleMs: impatientMs };
  const results = await Promise.all([...rows, ...rows].map(() => many.complete(request(hasty))));
  expect(results).toHaveLength(2 * rows.length);
  await eventually('every call is gone', async () => (await simulator.openCalls()) === 0);
  await many.close();
  await eventually('every connection is closed', async () => (await simulator.openConnections()) === 0);
  await eventually('every handle is closed', async () => handles() <= before);
});

test('of a provider that goes down in a stream and comes back: the next stream is answered', async () => {
  await simulator.setBehaviour(model, { pieceGapMs: forEverMs });
  const call = provider.complete(request({ idleMs: forEverMs }));
  await eventually('the first piece is heard', async () => heard !== '');
  await simulator.goDown();
  expect(summaryOf(await call)).toBe('connection retryable unknown bytes');
  expect(summaryOf(await provider.complete(request({})))).toBe('connection retryable not-charged nothing');

  await simulator.setBehaviour(model, { pieceGapMs: 0 });
  await simulator.comeUp();
  expect(summaryOf(await provider.complete(request({})))).toBe('answered');
});

describe('an answer that is whole stays one', () => {
  const events =
    'data: {"choices":[{"index":0,"delta":{"content":"Hello."}}]}\n\n' +
    'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n';
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\n';
  /** For so long a finish reason is waited on; whoever is slower than that has the answer, too. */
  const graceMs = 1_000;

  async function passWholeCall(): Promise<void> {
    await eventually('the finish reason is read', () => timers.isRunning(graceMs) || !timers.isRunning(heldMs));
    timers.pass(heldMs);
  }

  test.each<[string, (socket: Socket) => unknown, number]>([
    ['the connection is reset after its finish reason', (socket) => socket.resetAndDestroy(), patientMs],
    ['the connection is closed in the middle of its body', (socket) => socket.end(), patientMs],
    ['the time of the whole call ends after its finish reason', passWholeCall, heldMs],
  ])('when %s', async (_case, then, timeoutMs) => {
    const server = await startMisbehavingServer((socket) => socket.write(head + events, () => void then(socket)));
    const other = providerAt(`http://${server.address}/v1`);
    const result = await other.complete(request({}, { timeoutMs }));
    expect(result).toMatchObject({ kind: 'completed', content: 'Hello.', finishReason: 'stop', usage: null });
    await eventually('the connection is closed', () => server.openCalls() === 0);
    await other.close();
    await server.close();
  });
});

test.each(['', 'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"stop"}]}\n\n'])(
  'an answer whose connection is reset after a finish reason beside its first word is cut (%#)',
  async (role) => {
    const first = 'data: {"choices":[{"index":0,"delta":{"content":"One, "},"finish_reason":"stop"}]}\n\n';
    const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\n';
    const sockets: Socket[] = [];
    const server = await startMisbehavingServer((socket) => {
      sockets.push(socket);
      socket.write(head + role + first);
    });
    const other = providerAt(`http://${server.address}/v1`);
    const call = other.complete(request({}));
    await eventually('the first word is heard', () => heard !== '');
    for (const socket of sockets) socket.resetAndDestroy();
    expect(summaryOf(await call)).toBe('connection retryable unknown bytes');
    await other.close();
    await server.close();
  },
);

describe('an error in a stream', () => {
  test('is told without the key and without what the user said', async () => {
    const message = `Key sk-first-key may not ask "${userText}" because it is violent.`;
    await simulator.queueFaults(model, [{ kind: 'error-in-body', code: 'content_filter', message }]);
    const result = await provider.complete(request({}));
    if (result.kind !== 'failed') throw new Error('The call was answered.');
    expect(result.failure.message).toContain('violent');
    expect(result.failure.message).not.toContain('sk-first-key');
    expect(result.failure.message).not.toContain(userText);
  });
});

describe('a request for a stream', () => {
  test('carries its options, but none that changes what it is accounted and delivered by', async () => {
    const server = await startMisbehavingServer((socket) =>
      socket.end('HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n'),
    );
    const other = providerAt(`http://${server.address}/v1`);
    const options = {
      tools: [{ type: 'function', function: { name: 'f' } }],
      stop: ['\n'],
      model: 'gpt-0',
      messages: [],
      stream: false,
      temperature: 2,
      max_tokens: 9,
      max_completion_tokens: 9,
      n: 5,
      best_of: 9,
      service_tier: 'priority',
      web_search_options: {},
      stream_options: { include_usage: false },
    };
    const { tools, stop } = options;
    const common = {
      tools,
      stop,
      model,
      messages: [{ role: 'user', content: userText }],
      temperature: 0.7,
      max_tokens: 1000,
    };
    await other.complete(request({}, { options }));
    await other.complete(request(null, { options }));
    const bodies = server.received().match(/^\{.*\}/gm) ?? [];
    expect(bodies.map((body) => JSON.parse(body.replace(/\}POST .*/, '}')) as object)).toEqual([
      { ...common, stream: true, stream_options: { include_usage: true } },
      common,
    ]);
    await other.close();
    await server.close();
  });
});
