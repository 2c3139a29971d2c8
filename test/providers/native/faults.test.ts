/** What a native provider of any kind does wrong, streamed and plain: what is reported, and that nothing is left behind. */
import { getEventListeners } from 'node:events';
import type { StreamLimits } from '../../../src/contract/policy';
import type { CompletionRequest, CompletionResult, Provider } from '../../../src/contract/provider';
import { createProvider } from '../../../src/providers/create-provider';
import { eventually } from '../../support/eventually';
import { holdTimers, type HeldTimers } from '../../support/held-timers';
import { completionRequest, patient, patientMs } from '../completion-request';
import { startWireServer, type WireFault, type WireServer } from './wire-server';
import { wires } from './wires';

/** For calls that are meant to be broken off: passed by hand. */
const heldMs = 600_000;

function summaryOf(result: CompletionResult): string {
  if (result.kind === 'completed') return 'answered';
  const { kind, retryable, charge } = result.failure;
  return `${kind} ${retryable ? 'retryable' : 'final'} ${charge} ${result.receivedBytes ? 'bytes' : 'nothing'}`;
}

const same = null;
/** Title, fault, what is reported of a stream, limits of the stream, what is reported of a plain call. */
const rows: readonly [string, WireFault, string, Partial<StreamLimits>, string | typeof same][] = [
  ['429', { kind: 'error', error: 'rate-limited' }, 'rate-limited retryable not-charged bytes', {}, same],
  ['an overload', { kind: 'error', error: 'overloaded' }, 'server-error retryable not-charged bytes', {}, same],
  ['500', { kind: 'error', error: 'internal' }, 'server-error retryable not-charged bytes', {}, same],
  [
    'a prompt that is too long',
    { kind: 'error', error: 'context-length' },
    'context-length final not-charged bytes',
    {},
    same,
  ],
  ['a bad request', { kind: 'error', error: 'bad-request' }, 'bad-request final not-charged bytes', {}, same],
  ['a key without permission', { kind: 'error', error: 'forbidden' }, 'unauthorized final not-charged bytes', {}, same],
  ['an unknown model', { kind: 'error', error: 'unknown-model' }, 'bad-request final not-charged bytes', {}, same],
  [
    'a request that is too large',
    { kind: 'error', error: 'too-large' },
    'context-length final not-charged bytes',
    {},
    same,
  ],
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
    { kind: 'stall', atStart: true },
    'timeout final unknown bytes',
    { firstTokenMs: heldMs },
    'timeout retryable unknown bytes',
  ],
  [
    'a stall mid-answer: the call ends at the idle limit',
    { kind: 'stall' },
    'timeout final unknown bytes',
    { idleMs: heldMs },
    'timeout retryable unknown bytes',
  ],
  [
    'a byte at a time: the call ends at the first-token limit',
    { kind: 'byte-by-byte' },
    'timeout final unknown bytes',
    { firstTokenMs: heldMs },
    'timeout retryable unknown bytes',
  ],
  ['a reset mid-answer', { kind: 'reset-mid-body' }, 'connection retryable unknown bytes', {}, same],
  [
    'a reset before the first token',
    { kind: 'reset-mid-body', atStart: true },
    'connection retryable unknown bytes',
    {},
    same,
  ],
  [
    'a clean close mid-answer',
    { kind: 'cut' },
    'connection retryable unknown bytes',
    {},
    'malformed-response final unknown bytes',
  ],
  ['a malformed event', { kind: 'malformed' }, 'malformed-response final unknown bytes', {}, same],
  ['an overload mid-answer', { kind: 'error-in-stream' }, 'server-error retryable unknown bytes', {}, same],
  [
    'an overload before the first token',
    { kind: 'error-in-stream', atStart: true },
    'server-error retryable unknown bytes',
    {},
    same,
  ],
  [
    'a limit on requests mid-answer',
    { kind: 'error-in-stream', error: 'rate-limited' },
    'rate-limited retryable unknown bytes',
    {},
    same,
  ],
  ['HTML with 200', { kind: 'html' }, 'malformed-response final unknown bytes', {}, same],
  ['204 without a body', { kind: 'no-body' }, 'malformed-response final unknown bytes', {}, same],
  ['JSON that is no answer', { kind: 'no-answer' }, 'malformed-response final unknown bytes', {}, same],
  ['10 MB', { kind: 'huge' }, 'response-too-large final unknown bytes', {}, same],
  ['an answer without end', { kind: 'endless' }, 'response-too-large final unknown bytes', {}, same],
];

describe.each(wires.map((wire) => [wire.kind, wire] as const))('%s', (_kind, wire) => {
  let server: WireServer;
  let provider: Provider;
  let heard: string;
  let timers: HeldTimers;

  beforeEach(async () => {
    timers = holdTimers();
    server = await startWireServer(wire);
    heard = '';
    provider = createProvider({
      name: 'native',
      kind: wire.kind,
      baseUrl: server.baseUrl,
      readApiKey: () => 'sk-first-key',
      maxConnections: 1,
      maxResponseBytes: 200_000,
    });
  });

  afterEach(async () => {
    await provider.close();
    await server.close();
    timers.release();
  });

  function request(limits: Partial<StreamLimits> | null, changes: Partial<CompletionRequest> = {}): CompletionRequest {
    const onText = (text: string): void => {
      heard += text;
    };
    const stream = limits === null ? undefined : { limits: { ...patient, ...limits }, onText };
    return completionRequest({ model: wire.model, stream, ...changes });
  }

  /** The result of a call whose limit passes once all that is expected has come, as often as it is moved. */
  async function resultAtLimit(call: Promise<CompletionResult>, expected: string): Promise<CompletionResult> {
    await eventually('the provider has the call', () => server.openCalls() === 1);
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
    await eventually('the call is gone', () => server.openCalls() === 0);
    expect(await provider.complete(request({}))).toMatchObject({ kind: 'completed' });
  }

  test.each(rows)('of a stream: %s', async (_title, fault, expected, limits) => {
    server.queue(fault);
    const stop = new AbortController();
    const call = provider.complete(request(limits, { signal: stop.signal }));
    const isBrokenOff = Object.keys(limits).length > 0;
    const result = await (isBrokenOff ? resultAtLimit(call, expected) : call);
    expect(summaryOf(result)).toBe(expected);
    if (result.kind === 'failed') {
      expect(result.failure.message).not.toContain('sk-first-key');
      for (const limitMs of Object.values(limits)) expect(result.failure.message).toContain(`limit of ${limitMs} ms`);
    }
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0);
    await expectNothingLeft();
  });

  test.each(rows)('of a plain call: %s', async (_title, fault, ofStream, limits, ofPlain) => {
    server.queue(fault);
    const expected = ofPlain ?? ofStream;
    const isBrokenOff = Object.keys(limits).length > 0;
    const call = provider.complete(request(null, { timeoutMs: isBrokenOff ? heldMs : patientMs }));
    const result = await (isBrokenOff ? resultAtLimit(call, expected) : call);
    expect(summaryOf(result)).toBe(expected);
    await expectNothingLeft();
  });

  test('a stream that stays open after its end is answered', async () => {
    server.queue({ kind: 'open-end' });
    const call = provider.complete(request({ idleMs: heldMs }));
    let isOver = false;
    const result = call.finally(() => (isOver = true));
    await eventually('the call is over', () => {
      if (heard.endsWith('way.')) timers.pass(heldMs);
      return isOver;
    });
    expect(await result).toMatchObject({
      kind: 'completed',
      content: 'Your order is on its way.',
      finishReason: 'stop',
    });
  });

  test('a cancelled call is reported as such, and its connection is closed', async () => {
    server.queue({ kind: 'stall' });
    const stop = new AbortController();
    const call = provider.complete(request({}, { signal: stop.signal }));
    await eventually('the answer has begun', () => heard !== '');
    stop.abort(new Error('the user went away'));
    expect(summaryOf(await call)).toBe('cancelled final unknown bytes');
    await eventually('the connection is closed', () => server.openCalls() === 0);
  });

  test('Retry-After is obeyed', async () => {
    server.queue({ kind: 'error', error: 'rate-limited', headers: { 'retry-after': '7' } });
    const result = await provider.complete(request({}));
    expect(result).toMatchObject({ kind: 'failed', failure: { retryAfterMs: 7_000, httpStatus: 429 } });
  });
});
