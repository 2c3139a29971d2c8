import { getEventListeners } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { createProvider } from '../../src/providers/openai-compatible';
import type { CompletionRequest, Provider, ProviderSettings } from '../../src/contract/provider';
import { faults, type Fault } from '../../src/local/simulator/behaviour';
import { startSimulator, type Simulator } from '../../src/local/simulator/simulator';
import { eventually } from '../support/eventually';
import { holdTimers, type HeldTimers } from '../support/held-timers';
import { startMisbehavingServer, type MisbehavingServer } from '../support/misbehaving-server';
import { completionRequest, model, patientMs, userText } from './completion-request';

/** For calls that are meant to be broken off: passed by hand. */
const heldMs = 600_000;
/** For calls of which it does not matter how they end. */
const impatientMs = 1_000;

let simulator: Simulator;
let servers: MisbehavingServer[];
let providers: Provider[];
let timers: HeldTimers;

beforeEach(async () => {
  timers = holdTimers();
  simulator = await startSimulator({ models: { [model]: {} } });
  servers = [];
  providers = [];
});

afterEach(async () => {
  await Promise.all(providers.map((provider) => provider.close()));
  await Promise.all([simulator.close(), ...servers.map((server) => server.close())]);
  timers.release();
});

function providerAt(baseUrl: string, changes: Partial<ProviderSettings> = {}): Provider {
  const provider = createProvider({
    name: 'holysheep',
    baseUrl,
    readApiKey: () => 'sk-first-key',
    maxConnections: 10,
    maxResponseBytes: 1_000_000,
    ...changes,
  });
  providers.push(provider);
  return provider;
}

async function failureWith(fault: Fault, changes: Partial<CompletionRequest> = {}) {
  await simulator.queueFaults(model, [fault]);
  return failed(providerAt(simulator.baseUrl), changes);
}

async function failed(provider: Provider, changes: Partial<CompletionRequest> = {}) {
  const result = await provider.complete(completionRequest(changes));
  if (result.kind !== 'failed') throw new Error('The call was answered.');
  return result;
}

/** How a call ends whose time is over once what is named has come. */
async function failedAtLimit(call: ReturnType<typeof failed>, what: string, hasCome: () => Promise<boolean> | boolean) {
  await eventually(what, hasCome);
  timers.pass(heldMs);
  return call;
}

const isAtSimulator = async () => (await simulator.openCalls()) === 1;
const hasHead = () => timers.heads() === 1;

async function startServer(onRequest: Parameters<typeof startMisbehavingServer>[0]): Promise<MisbehavingServer> {
  const server = await startMisbehavingServer(onRequest);
  servers.push(server);
  return server;
}

/** Of calls: after a break the pool may connect anew, ahead of the next call. */
function allConnectionsGone(): Promise<void> {
  return eventually('the connection of every call is closed', async () => (await simulator.openCalls()) === 0);
}

describe('an answer', () => {
  test('comes with content, model, finish reason and usage', async () => {
    await simulator.setBehaviour(model, { cachedPromptPercent: 50 });
    const result = await providerAt(simulator.baseUrl).complete(completionRequest());

    expect(result).toMatchObject({
      kind: 'completed',
      content: expect.stringContaining('[ref:abc]'),
      model,
      finishReason: 'stop',
      usage: { promptTokens: 14, cachedPromptTokens: 7, completionTokens: expect.any(Number) },
    });
    expect(await simulator.calls()).toMatchObject([{ requestId: 'turn-1.1', outcome: 'answered', charged: true }]);
  });

  test('says length when max_tokens cut it', async () => {
    const result = await providerAt(simulator.baseUrl).complete(completionRequest({ maxTokens: 5 }));
    expect(result).toMatchObject({ kind: 'completed', finishReason: 'length', usage: { completionTokens: 5 } });
  });

  test('without usage is an answer of unknown usage', async () => {
    await simulator.queueFaults(model, [{ kind: 'no-usage' }]);
    const result = await providerAt(simulator.baseUrl).complete(completionRequest());
    expect(result).toMatchObject({ kind: 'completed', content: expect.any(String), usage: null });
  });

  test.each([
    [
      'an unreadable usage',
      { usage: { prompt_tokens: 'many' } },
      { promptTokens: 'many', cachedPromptTokens: 0, completionTokens: undefined },
    ],
    [
      'a negative usage',
      { usage: { prompt_tokens: -1, completion_tokens: 1 } },
      { promptTokens: -1, cachedPromptTokens: 0, completionTokens: 1 },
    ],
    ['no usage', {}, null],
    ['null for its usage', { usage: null }, null],
    ['a text for its usage', { usage: 'none' }, { promptTokens: undefined, completionTokens: undefined }],
    ['a list for its usage', { usage: [1, 2] }, { promptTokens: undefined, completionTokens: undefined }],
    [
      'more cached than prompt tokens',
      { usage: { prompt_tokens: 5, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 9 } } },
      { promptTokens: 5, cachedPromptTokens: 5, completionTokens: 1 },
    ],
    [
      'unreadable cached tokens',
      { usage: { prompt_tokens: 5, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 'x' } } },
      { promptTokens: 5, cachedPromptTokens: 0, completionTokens: 1 },
    ],
    [
      'no details of its prompt tokens',
      { usage: { prompt_tokens: 5, completion_tokens: 1, prompt_tokens_details: 'none' } },
      { promptTokens: 5, cachedPromptTokens: 0, completionTokens: 1 },
    ],
  ])('with %s is still an answer, and says of its usage what was claimed', async (_case, changes, usage) => {
    const body = JSON.stringify({ choices: [{ message: { content: 'Hello.' } }], ...changes });
    const server = await startServer((socket) => {
      socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    });
    const result = await providerAt(`http://${server.address}/v1`).complete(completionRequest());
    expect(result).toMatchObject({ kind: 'completed', content: 'Hello.', model, finishReason: null, usage });
  });

  test('leaves its connection open for the next call', async () => {
    const provider = providerAt(simulator.baseUrl, { maxConnections: 1 });
    await provider.complete(completionRequest());
    await provider.complete(completionRequest());
    expect(await simulator.openConnections()).toBe(1);
  });
});

describe('a request', () => {
  test('carries Bearer key, request id and the four parameters, below the whole base URL', async () => {
    const server = await startServer((socket) => socket.end('HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n'));
    await failed(providerAt(`http://${server.address}/proxy/v1/`));

    const [head = '', body = ''] = server.received().split('\r\n\r\n');
    expect(head).toMatch(/^POST \/proxy\/v1\/chat\/completions HTTP\/1\.1\r\n/);
    expect(head.toLowerCase()).toContain('\r\nauthorization: bearer sk-first-key\r\n');
    expect(head.toLowerCase()).toContain('\r\nx-request-id: turn-1.1\r\n');
    expect(head.toLowerCase()).not.toContain('api-key:');
    expect(JSON.parse(body)).toEqual({
      model,
      messages: [{ role: 'user', content: userText }],
      temperature: 0.7,
      max_tokens: 1000,
    });
  });

  test('carries no authorization when there is no key', async () => {
    const server = await startServer((socket) => socket.end('HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n'));
    await failed(providerAt(`http://${server.address}/v1`, { readApiKey: () => undefined }));
    expect(server.received().toLowerCase()).not.toContain('authorization');
  });

  test('with a key that no header can hold is refused before it is sent, without the key', async () => {
    const { failure } = await failed(providerAt(simulator.baseUrl, { readApiKey: () => 'sk-broken\nkey' }));
    expect(failure).toMatchObject({ kind: 'bad-request', retryable: false, charge: 'not-charged' });
    expect(failure.message).not.toContain('sk-broken');
    expect(await simulator.calls()).toEqual([]);
  });
});

describe('a fault of the provider', () => {
  test.each<[string, Fault, object]>([
    ['429 with Retry-After', faults.rateLimited({ 'retry-after': '7' }), { kind: 'rate-limited', retryAfterMs: 7_000 }],
    ['429 with retry-after-ms', faults.rateLimited({ 'retry-after-ms': '70' }), { retryAfterMs: 70 }],
    ['500', faults.serverError(500), { kind: 'server-error', retryable: true, charge: 'not-charged' }],
    ['503', faults.serverError(503), { kind: 'server-error', retryable: true, charge: 'not-charged' }],
    ['a reset before headers', { kind: 'reset' }, { kind: 'connection', retryable: true, charge: 'unknown' }],
    ['a reset in the body', { kind: 'reset-mid-body' }, { kind: 'connection', retryable: true, charge: 'unknown' }],
    ['HTML', { kind: 'html' }, { kind: 'malformed-response', retryable: false, charge: 'unknown' }],
    ['half a JSON', { kind: 'invalid-json' }, { kind: 'malformed-response', retryable: false }],
    ['no choices', { kind: 'no-choices' }, { kind: 'malformed-response', retryable: false }],
    ['null content', { kind: 'null-content' }, { kind: 'malformed-response', retryable: false }],
    ['a withheld answer', { kind: 'null-content', finishReason: 'content_filter' }, { kind: 'content-filter' }],
    ['a prompt too long', faults.contextLength(), { kind: 'context-length', retryable: false }],
    ['a refused content', faults.contentFilter('Too violent.'), { message: expect.stringContaining('Too violent.') }],
  ])('%s → classified', async (_name, fault, expected) => {
    const { failure } = await failureWith(fault);
    expect(failure).toMatchObject(expected);
  });

  test('silence → timeout without a byte, and the connection is closed', async () => {
    const call = failureWith({ kind: 'silence' }, { timeoutMs: heldMs });
    const { failure, receivedBytes } = await failedAtLimit(call, 'the provider has the call', isAtSimulator);
    expect(failure).toMatchObject({ kind: 'timeout', retryable: true, charge: 'unknown' });
    expect(receivedBytes).toBe(false);
    await allConnectionsGone();
  });

  test('a byte a second → timeout with bytes, and the connection is closed', async () => {
    const slow: Fault = { kind: 'slow-body', bytesPerSecond: 50 };
    const call = failureWith(slow, { timeoutMs: heldMs });
    const { failure, receivedBytes } = await failedAtLimit(call, 'the answer has begun', hasHead);
    expect(failure).toMatchObject({ kind: 'timeout', retryable: true, charge: 'unknown', httpStatus: 200 });
    expect(receivedBytes).toBe(true);
    await allConnectionsGone();
  });

  test('a body without end → broken off at the limit, and the connection is closed', async () => {
    const { failure } = await failureWith({ kind: 'large-body', bytes: Number.POSITIVE_INFINITY });
    expect(failure).toMatchObject({ kind: 'response-too-large', retryable: false, charge: 'unknown' });
    await allConnectionsGone();
  });

  test('503 whose body never ends → server-error', async () => {
    const server = await startServer((socket) => socket.write('HTTP/1.1 503 Busy\r\ncontent-length: 99\r\n\r\n{'));
    const call = failed(providerAt(`http://${server.address}/v1`), { timeoutMs: heldMs });
    const { failure } = await failedAtLimit(call, 'the answer has begun', hasHead);
    expect(failure).toMatchObject({ kind: 'server-error', httpStatus: 503, charge: 'not-charged' });
    await eventually('the connection is closed', () => server.openCalls() === 0);
  });

  test('headers without end → timeout, and the connection is closed', async () => {
    const server = await startServer((socket) => socket.write('HTTP/1.1 200 OK\r\nx-padding: a'));
    const call = failed(providerAt(`http://${server.address}/v1`), { timeoutMs: heldMs });
    const { failure } = await failedAtLimit(call, 'the server has the call', () => server.openCalls() === 1);
    expect(failure).toMatchObject({ kind: 'timeout', charge: 'unknown' });
    await eventually('the connection is closed', () => server.openCalls() === 0);
  });

  test('no HTTP at all → malformed-response', async () => {
    const server = await startServer((socket) => socket.end('220 mail.example.com ESMTP\r\n'));
    const { failure } = await failed(providerAt(`http://${server.address}/v1`));
    expect(failure).toMatchObject({ kind: 'malformed-response', retryable: false });
  });

  test('no TLS where it was expected → connection, not retryable, not charged', async () => {
    const { failure } = await failed(providerAt(simulator.baseUrl.replace('http:', 'https:')));
    expect(failure).toMatchObject({ kind: 'connection', retryable: false, charge: 'not-charged' });
  });

  test('a refused connection → connection, retryable, not charged; answered once it is up again', async () => {
    const provider = providerAt(simulator.baseUrl);
    await provider.complete(completionRequest());
    await simulator.goDown();
    const { failure, receivedBytes } = await failed(provider);
    expect(failure).toMatchObject({ kind: 'connection', retryable: true, charge: 'not-charged' });
    expect(receivedBytes).toBe(false);

    await simulator.comeUp();
    expect(await provider.complete(completionRequest())).toMatchObject({ kind: 'completed' });
  });

  test('of many calls at once → every one ends, and no more connections are left than the pool may have', async () => {
    const provider = providerAt(simulator.baseUrl, { maxConnections: 5 });
    await simulator.queueFaults(
      model,
      Array.from({ length: 4 }).flatMap((): Fault[] => [
        { kind: 'silence' },
        { kind: 'reset' },
        { kind: 'html' },
        { kind: 'slow-body', bytesPerSecond: 1 },
        { kind: 'large-body', bytes: 10_000_000 },
      ]),
    );
    const calls = Array.from({ length: 20 }, () => provider.complete(completionRequest({ timeoutMs: impatientMs })));
    const results = await Promise.all(calls);
    expect(results.map((result) => result.kind)).toEqual(Array(20).fill('failed'));

    await allConnectionsGone();
    // Of those that were broken off the provider hears a moment later.
    await eventually('5 connections are left', async () => (await simulator.openConnections()) <= 5);
    // Calls that waited for a connection until their end left their faults to others.
    await eventually('a call is answered', async () => {
      const result = await provider.complete(completionRequest({ timeoutMs: impatientMs }));
      return result.kind === 'completed';
    });
  });
});

describe('a connection that has served before', () => {
  const body = JSON.stringify({ choices: [{ message: { content: 'Hello.' }, finish_reason: 'stop' }] });
  const answer = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  type Act = (socket: Socket) => void;
  let server: Server;
  /** What the server does with each request, in order. */
  let acts: Act[];
  let requestsByConnection: number[];
  let provider: Provider;

  const answers: Act = (socket) => socket.write(answer);
  const resets: Act = (socket) => socket.resetAndDestroy();
  const closes: Act = (socket) => socket.destroy();

  beforeEach(async () => {
    requestsByConnection = [];
    server = createServer((socket) => {
      const connection = requestsByConnection.push(0) - 1;
      let received = '';
      socket.on('error', () => socket.destroy());
      socket.on('data', (chunk) => {
        received += chunk.toString();
        if (!received.endsWith('}')) return;
        received = '';
        requestsByConnection[connection]! += 1;
        acts.shift()?.(socket);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    provider = providerAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, { maxConnections: 1 });
  });
  afterEach(() => {
    jest.restoreAllMocks();
    server.close();
  });

  test.each([
    ['resets', resets],
    ['closes', closes],
  ])(
    'and that the provider %s when the next request comes: it is sent again at once, on a new one',
    async (_how, act) => {
      acts = [answers, act, answers, answers];
      await provider.complete(completionRequest());
      expect(await provider.complete(completionRequest())).toMatchObject({ kind: 'completed', content: 'Hello.' });
      expect(requestsByConnection).toEqual([2, 1]);
      expect(await provider.complete(completionRequest())).toMatchObject({ kind: 'completed' });
      expect(requestsByConnection).toEqual([2, 1, 1]);
    },
  );

  test('and is lost, as the new one is too: a failed call after two requests', async () => {
    acts = [answers, resets, resets, answers];
    await provider.complete(completionRequest());
    expect((await failed(provider)).failure).toMatchObject({ kind: 'connection', retryable: true, charge: 'unknown' });
    expect(requestsByConnection).toEqual([2, 1]);
  });

  test('and is lost, and the worker closes while the new one is used: cancelled, and nothing is left unhandled', async () => {
    const unhandled = jest.fn();
    process.on('unhandledRejection', unhandled);
    try {
      acts = [answers, resets, () => void provider.close()];
      await provider.complete(completionRequest());
      expect((await failed(provider)).failure).toMatchObject({ kind: 'cancelled' });
      // Node tells of rejections once all that was due is done.
      await setImmediate();
      await setImmediate();
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off('unhandledRejection', unhandled);
    }
  });

  test('and is lost after the answer has begun: a failed call after one request', async () => {
    acts = [answers, (socket) => socket.write(answer.slice(0, -5), () => socket.resetAndDestroy()), answers];
    await provider.complete(completionRequest());
    expect((await failed(provider)).failure).toMatchObject({ charge: 'unknown' });
    expect(requestsByConnection).toEqual([2]);
  });

  test('and is lost after the provider has had time to work: a failed call after one request', async () => {
    const now = performance.now.bind(performance);
    const late: Act = (socket) => {
      jest.spyOn(performance, 'now').mockImplementation(() => now() + 1_000);
      socket.resetAndDestroy();
    };
    acts = [answers, late, answers];
    await provider.complete(completionRequest());
    expect((await failed(provider)).failure).toMatchObject({ kind: 'connection', charge: 'unknown' });
    expect(requestsByConnection).toEqual([2]);
  });

  test('and is lost together with the time of the call: a failed call, without another request', async () => {
    const now = performance.now.bind(performance);
    const late: Act = (socket) => {
      jest.spyOn(performance, 'now').mockImplementation(() => now() + 900);
      socket.resetAndDestroy();
    };
    acts = [answers, late, answers];
    await provider.complete(completionRequest());
    await failed(provider, { timeoutMs: 900 });
    expect(requestsByConnection).toEqual([2]);
  });
});

describe('a call that waits for a connection', () => {
  test('ends at its own limit, not charged, and is never sent', async () => {
    const provider = providerAt(simulator.baseUrl, { maxConnections: 1 });
    await simulator.queueFaults(model, [{ kind: 'silence' }]);
    const first = provider.complete(completionRequest({ requestId: 'first', timeoutMs: 2 * heldMs }));
    await eventually('the first is at the provider', isAtSimulator);
    const second = await failedAtLimit(
      failed(provider, { requestId: 'second', timeoutMs: heldMs }),
      'the second waits',
      () => timers.isRunning(heldMs),
    );
    expect(second.failure).toMatchObject({ kind: 'timeout', retryable: true, charge: 'not-charged' });

    timers.pass(2 * heldMs);
    expect(await first).toMatchObject({ failure: { kind: 'timeout', charge: 'unknown' } });
    expect(await provider.complete(completionRequest({ requestId: 'third' }))).toMatchObject({ kind: 'completed' });
    expect((await simulator.calls()).map((call) => call.requestId)).toEqual(['first', 'third']);
  });
});

describe('a stopped call', () => {
  test('ends at once with the reason of the signal, and the connection is closed', async () => {
    await simulator.queueFaults(model, [{ kind: 'silence' }]);
    const stop = new AbortController();
    const call = failed(providerAt(simulator.baseUrl), { signal: stop.signal });
    await eventually('the provider has the call', async () => (await simulator.calls()).length === 1);
    stop.abort(new Error('WORKER_SHUTDOWN'));

    expect((await call).failure).toMatchObject({
      kind: 'cancelled',
      retryable: false,
      charge: 'unknown',
      message: expect.stringContaining('WORKER_SHUTDOWN'),
    });
    await allConnectionsGone();
    expect(await simulator.calls()).toMatchObject([{ outcome: 'aborted-by-client' }]);
  });

  test('before its start is never sent', async () => {
    const { failure } = await failed(providerAt(simulator.baseUrl), { signal: AbortSignal.abort('user') });
    expect(failure).toMatchObject({ kind: 'cancelled', charge: 'not-charged' });
    expect(await simulator.calls()).toEqual([]);
  });

  test('leaves no listener on the signal, however it ended', async () => {
    const { signal } = new AbortController();
    const provider = providerAt(simulator.baseUrl);
    await simulator.queueFaults(model, [{ kind: 'reset' }, { kind: 'silence' }]);
    await provider.complete(completionRequest({ signal }));
    const silent = failed(provider, { signal, timeoutMs: heldMs });
    await failedAtLimit(silent, 'the provider has both', async () => (await simulator.calls()).length === 2);
    await provider.complete(completionRequest({ signal }));
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('by closing the provider ends as cancelled', async () => {
    await simulator.queueFaults(model, [{ kind: 'silence' }]);
    const provider = providerAt(simulator.baseUrl);
    const call = failed(provider);
    await eventually('the provider has the call', async () => (await simulator.calls()).length === 1);
    await provider.close();
    expect((await call).failure).toMatchObject({ kind: 'cancelled', retryable: false, charge: 'unknown' });
    expect((await failed(provider)).failure).toMatchObject({ kind: 'cancelled', charge: 'not-charged' });
  });
});

describe('a refused key', () => {
  test('that was rotated → read again, and the call is answered', async () => {
    await simulator.setApiKeys(['sk-new-key']);
    let current = 'sk-first-key';
    const readApiKey = ({ refresh }: { refresh: boolean }) => (current = refresh ? 'sk-new-key' : current);
    const provider = providerAt(simulator.baseUrl, { readApiKey });
    expect(await provider.complete(completionRequest())).toMatchObject({ kind: 'completed' });
    expect((await simulator.calls()).map((call) => call.status)).toEqual([401, 200]);
  });

  test('that is still the same → unauthorized after one call, without the key in the message', async () => {
    await simulator.setApiKeys(['sk-new-key']);
    const { failure } = await failed(providerAt(simulator.baseUrl));
    expect(failure).toMatchObject({ kind: 'unauthorized', retryable: false, charge: 'not-charged', httpStatus: 401 });
    expect(failure.message).not.toContain('sk-first-key');
    expect(await simulator.calls()).toHaveLength(1);
  });

  test('whose successor is refused too → unauthorized after two calls, without either key', async () => {
    await simulator.setApiKeys(['sk-other-key']);
    const { failure } = await failed(
      providerAt(simulator.baseUrl, { readApiKey: ({ refresh }) => (refresh ? 'sk-second-key' : 'sk-first-key') }),
    );
    expect(failure.kind).toBe('unauthorized');
    expect(JSON.stringify(failure)).not.toMatch(/sk-(first|second)-key/);
    expect(await simulator.calls()).toHaveLength(2);
  });

  test('is not repeated by any reason that a provider gives', async () => {
    const fault = faults.contentFilter(`Key sk-first-key may not ask "${userText}".`);
    const { failure } = await failureWith(fault);
    expect(failure.kind).toBe('content-filter');
    expect(failure.message).not.toContain('sk-first-key');
    expect(failure.message).not.toContain(userText);
  });
});

describe('the list of models', () => {
  test('gives status and names', async () => {
    const provider = providerAt(simulator.baseUrl);
    expect(await provider.listModels(patientMs)).toEqual({ kind: 'listed', status: 200, models: [model] });
  });

  test('with a refused key → unauthorized', async () => {
    await simulator.setApiKeys(['sk-other-key']);
    const result = await providerAt(simulator.baseUrl).listModels(patientMs);
    expect(result).toMatchObject({ kind: 'failed', failure: { kind: 'unauthorized', httpStatus: 401 } });
  });

  test('that is HTML → malformed-response', async () => {
    const server = await startServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>'));
    const result = await providerAt(`http://${server.address}/v1`).listModels(patientMs);
    expect(result).toMatchObject({ kind: 'failed', failure: { kind: 'malformed-response' } });
  });

  test('of a provider that is down → connection', async () => {
    await simulator.goDown();
    const result = await providerAt(simulator.baseUrl).listModels(patientMs);
    expect(result).toMatchObject({ kind: 'failed', failure: { kind: 'connection' } });
  });
});
