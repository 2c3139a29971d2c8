/** The contract's faults of a provider, one row each, through the whole service: streamed and plain. */
import { faults, type Fault, type ModelBehaviour } from '../../../src/local/simulator/behaviour';
import { wordsOfHistory } from '../../support/history-words';
import { fallbackModel, primaryModel } from '../../support/service';
import { manners, storedAnswer } from './ask';
import { impatientUser, providerKey, retry, startFaultsSetting, type FaultsSetting, type ShortLimit } from './setting';

const wholeAnswer =
  'Your order has left our warehouse and should reach you within 2 to 3 days. The tracking link is in your e-mail.';

interface Row {
  readonly title: string;
  /** The primary's next calls have these faults, one each. */
  readonly once?: readonly Fault[];
  /** Every call of the primary has this one. */
  readonly always?: Fault;
  readonly primary?: Partial<ModelBehaviour>;
  /** The limit that ends it: short at the primary then. */
  readonly endedBy?: ShortLimit;
  /** Calls that each provider has in its log. */
  readonly asks: readonly [primary: number, fallback: number];
  /** At least so long after one call of the primary begins the next one. */
  readonly spacingMs?: readonly number[];
  /** Of the ledger's rows, in order. */
  readonly outcomes: readonly string[];
}

const backOffMs = [retry.baseDelayMs, retry.baseDelayMs * 2];
const cut: Fault = { kind: 'cut', afterTokens: 6 };

const rows: readonly Row[] = [
  {
    title: '429 with Retry-After, once',
    once: [faults.rateLimited({ 'retry-after': '1' })],
    asks: [2, 0],
    spacingMs: [1_000],
    outcomes: ['released rate-limited', 'settled answered'],
  },
  {
    title: '429 with retry-after-ms, once',
    once: [faults.rateLimited({ 'retry-after-ms': '700' })],
    asks: [2, 0],
    spacingMs: [700],
    outcomes: ['released rate-limited', 'settled answered'],
  },
  {
    title: '429 that asks for a longer wait than a caller has',
    always: faults.rateLimited({ 'retry-after': '60' }),
    asks: [1, 1],
    outcomes: ['released rate-limited', 'settled answered'],
  },
  {
    title: '429 for ever, without a header',
    always: faults.rateLimited(),
    asks: [3, 1],
    spacingMs: backOffMs,
    outcomes: [...Array<string>(3).fill('released rate-limited'), 'settled answered'],
  },
  {
    title: '500 once',
    once: [faults.serverError(500)],
    asks: [2, 0],
    spacingMs: [retry.baseDelayMs],
    outcomes: ['released server-error', 'settled answered'],
  },
  {
    title: '503 for ever',
    always: faults.serverError(503),
    asks: [3, 1],
    spacingMs: backOffMs,
    outcomes: [...Array<string>(3).fill('released server-error'), 'settled answered'],
  },
  {
    title: 'silence after the call was accepted',
    always: { kind: 'silence' },
    endedBy: 'firstByteMs',
    asks: [1, 1],
    outcomes: ['unconfirmed timeout', 'settled answered'],
  },
  {
    title: 'headers at once and the first token after 20 s',
    always: { kind: 'late-first-token', ms: 20_000 },
    endedBy: 'firstTokenMs',
    asks: [1, 1],
    outcomes: ['unconfirmed timeout', 'settled answered'],
  },
  {
    title: 'a stream that is cut in the middle',
    once: [cut],
    asks: [2, 0],
    spacingMs: [retry.baseDelayMs],
    outcomes: ['unconfirmed connection', 'settled answered'],
  },
  {
    title: 'a stream that is reset in the middle',
    once: [{ kind: 'reset-mid-body', afterTokens: 6 }],
    asks: [2, 0],
    spacingMs: [retry.baseDelayMs],
    outcomes: ['unconfirmed connection', 'settled answered'],
  },
  {
    title: 'a stream that is cut each time',
    always: cut,
    asks: [3, 1],
    spacingMs: backOffMs,
    outcomes: [...Array<string>(3).fill('unconfirmed connection'), 'settled answered'],
  },
  {
    title: 'a stream that stalls, with its connection open',
    always: { kind: 'stall', afterTokens: 6 },
    endedBy: 'idleMs',
    asks: [1, 1],
    outcomes: ['unconfirmed timeout', 'settled answered'],
  },
  {
    title: 'a chunk that is no JSON',
    always: { kind: 'invalid-json', afterTokens: 6 },
    asks: [1, 1],
    outcomes: ['unconfirmed malformed-response', 'settled answered'],
  },
  {
    title: 'an error in the middle of a stream',
    once: [{ kind: 'error-in-body', afterTokens: 6 }],
    asks: [2, 0],
    outcomes: ['unconfirmed server-error', 'settled answered'],
  },
  {
    title: 'no [DONE], and the end',
    always: { kind: 'no-done' },
    asks: [1, 0],
    outcomes: ['settled answered'],
  },
  {
    title: 'no [DONE], and an open connection',
    always: { kind: 'no-done', staysOpen: true },
    asks: [1, 0],
    outcomes: ['settled answered'],
  },
  {
    title: 'neither usage nor [DONE], and an open connection',
    always: { kind: 'no-done', staysOpen: true, withUsage: false },
    asks: [1, 0],
    outcomes: ['unconfirmed answered'],
  },
  {
    title: '400 context_length_exceeded, with a larger model in the chain',
    primary: { contextTokens: 2 },
    asks: [1, 1],
    outcomes: ['released context-length', 'settled answered'],
  },
  {
    title: '401 for a key that was not rotated',
    always: { kind: 'status', status: 401, message: `Incorrect API key provided: ${providerKey}.` },
    asks: [1, 1],
    outcomes: ['released unauthorized', 'settled answered'],
  },
  {
    title: '200 with HTML',
    always: { kind: 'html' },
    asks: [1, 1],
    outcomes: ['unconfirmed malformed-response', 'settled answered'],
  },
  {
    title: '200 with no choices',
    always: { kind: 'no-choices' },
    asks: [1, 1],
    outcomes: ['unconfirmed malformed-response', 'settled answered'],
  },
  {
    title: '200 with no usage',
    always: { kind: 'no-usage' },
    asks: [1, 0],
    outcomes: ['unconfirmed answered'],
  },
  {
    title: '200 with a byte a second',
    always: { kind: 'slow-body', bytesPerSecond: 1 },
    endedBy: 'firstTokenMs',
    asks: [1, 1],
    outcomes: ['unconfirmed timeout', 'settled answered'],
  },
  {
    title: 'plain JSON where a stream was asked for',
    always: { kind: 'json-instead-of-stream' },
    asks: [1, 0],
    outcomes: ['settled answered'],
  },
];

let setting: FaultsSetting;
const turnIds: string[] = [];
beforeAll(async () => {
  setting = await startFaultsSetting();
});
afterAll(() => setting.stop());
beforeEach(() => setting.heal());

describe.each(rows)('$title', ({ once, always, primary, endedBy, asks, spacingMs, outcomes }) => {
  test.each(manners)('a %s request is answered whole, by the calls that are right', async (manner) => {
    if (once) await setting.primary.queueFaults(primaryModel, once);
    await setting.primary.setBehaviour(primaryModel, { alwaysFault: always ?? null, ...primary });
    const asked = await setting.ask(manner, endedBy && { user: impatientUser(endedBy, 'primary') });
    turnIds.push(asked.turnId);

    const [primaryAsks, fallbackAsks] = asks;
    const byFallback = fallbackAsks > 0;
    expect(asked).toMatchObject({
      status: 200,
      content: wholeAnswer,
      finishReason: 'stop',
      answeredBy: byFallback ? 'fallback' : 'primary',
      model: byFallback ? fallbackModel : primaryModel,
      attempts: primaryAsks + fallbackAsks,
    });
    expect(asked.raw).not.toContain(providerKey);

    const calls = await setting.calls();
    expect([calls.primary.length, calls.fallback.length]).toEqual(asks);
    const gapsMs = calls.primary.slice(1).map((call, index) => call.startedAtMs - calls.primary[index]!.startedAtMs);
    for (const [index, atLeastMs] of (spacingMs ?? []).entries()) {
      expect(gapsMs[index]).toBeGreaterThanOrEqual(atLeastMs);
    }

    const ledgerRows = await setting.rows(asked.turnId);
    expect(ledgerRows.map(({ state, outcome }) => `${state} ${outcome}`)).toEqual(outcomes);
    expect(await setting.disagreements(asked.turnId)).toEqual([]);
    const [answered] = ledgerRows.slice(-1);
    // Of the call that answered alone; and only that one is paid for as an answer.
    if (answered?.state === 'settled') {
      expect(asked.usage).toMatchObject({
        prompt_tokens: answered.promptTokens,
        completion_tokens: answered.completionTokens,
      });
      expect(Math.round((asked.costUsd ?? 0) * 1e9)).toBeGreaterThanOrEqual(answered.costNanoUsd - 1_000);
      expect(Math.round((asked.costUsd ?? 0) * 1e9)).toBeLessThanOrEqual(answered.costNanoUsd + 1_000);
    }
    await setting.expectHealthy();
  });
});

describe.each(manners)('a reset before the headers of a %s request', (manner) => {
  beforeEach(async () => {
    await setting.ask('plain');
    await setting.heal();
  });
  const reset: Fault = { kind: 'reset' };

  test('on a connection that has served before: it is sent again at once, and nothing is counted', async () => {
    await setting.primary.queueFaults(primaryModel, [reset]);
    const asked = await setting.ask(manner);
    expect(asked).toMatchObject({ status: 200, content: wholeAnswer, answeredBy: 'primary', attempts: 1 });
    expect((await setting.calls()).primary).toHaveLength(2);
    const ledgerRows = await setting.rows(asked.turnId);
    expect(ledgerRows.map(({ state, outcome }) => `${state} ${outcome}`)).toEqual(['settled answered']);
    await setting.expectHealthy();
  });

  test('on the new connection, too: it is a failed call, and tried again', async () => {
    await setting.primary.queueFaults(primaryModel, [reset, reset]);
    const asked = await setting.ask(manner);
    expect(asked).toMatchObject({ status: 200, content: wholeAnswer, answeredBy: 'primary', attempts: 2 });
    const calls = (await setting.calls()).primary;
    expect(calls).toHaveLength(3);
    expect(calls[2]!.startedAtMs - calls[1]!.startedAtMs).toBeGreaterThanOrEqual(retry.baseDelayMs);
    const ledgerRows = await setting.rows(asked.turnId);
    expect(ledgerRows.map(({ state, outcome }) => `${state} ${outcome}`)).toEqual([
      'unconfirmed connection',
      'settled answered',
    ]);
    await setting.expectHealthy();
  });
});

const failing: readonly [string, Fault, number, string, number, ShortLimit?][] = [
  ['429 for ever', faults.rateLimited(), 503, 'provider_rate_limited', 3],
  ['503 for ever', faults.serverError(503), 503, 'provider_unavailable', 3],
  ['silence', { kind: 'silence' }, 504, 'provider_timeout', 1, 'firstByteMs'],
  ['a prompt that fits no model', faults.contextLength(), 400, 'context_length_exceeded', 1],
  [
    'wrong keys',
    { kind: 'status', status: 401, message: `Incorrect API key provided: ${providerKey}.` },
    502,
    'provider_unauthorized',
    1,
  ],
  ['HTML', { kind: 'html' }, 502, 'provider_bad_response', 1],
  ['a byte a second', { kind: 'slow-body', bytesPerSecond: 1 }, 504, 'provider_timeout', 1, 'firstTokenMs'],
];

describe.each(failing)('%s, at every provider', (_title, fault, status, code, asksEach, endedBy) => {
  test.each(manners)('is a clear error of a %s request', async (manner) => {
    await setting.primary.setBehaviour('*', { alwaysFault: fault });
    await setting.fallback.setBehaviour('*', { alwaysFault: fault });
    const asked = await setting.ask(manner, endedBy && { user: impatientUser(endedBy, 'both') });
    turnIds.push(asked.turnId);
    expect(asked).toMatchObject({ status, content: '', error: { code } });
    expect(asked.raw).not.toContain(providerKey);
    const calls = await setting.calls();
    expect([calls.primary.length, calls.fallback.length]).toEqual([asksEach, asksEach]);
    expect(await setting.disagreements(asked.turnId)).toEqual([]);
    expect((await setting.rows(asked.turnId)).every(({ state }) => state !== 'settled')).toBe(true);
    await setting.expectHealthy();
  });
});

const midStream: readonly [string, Fault, string, ShortLimit | null][] = [
  ['is cut', cut, 'provider_unavailable', null],
  ['stalls', { kind: 'stall', afterTokens: 6 }, 'provider_timeout', 'idleMs'],
  ['has a chunk that is no JSON', { kind: 'invalid-json', afterTokens: 6 }, 'provider_bad_response', null],
];

test.each(midStream)(
  'a stream that %s at every provider ends in an error event, after what was sent',
  async (_, fault, code, endedBy) => {
    await setting.primary.setBehaviour('*', { alwaysFault: fault });
    await setting.fallback.setBehaviour('*', { alwaysFault: fault });
    const asked = await setting.ask('streamed', endedBy ? { user: impatientUser(endedBy, 'both') } : {});
    turnIds.push(asked.turnId);
    expect(asked).toMatchObject({
      status: 200,
      error: { code, degraded_reply: expect.any(String) },
      finishReason: null,
    });
    expect(asked.content).not.toBe('');
    expect(wholeAnswer.startsWith(asked.content)).toBe(true);
    await setting.expectHealthy();
  },
);

describe('10 MB of an answer', () => {
  const tenMegabytes: Fault = { kind: 'large-body', bytes: 10 * 1024 * 1024 };

  test('are broken off at a tenth, and a plain request is answered by the next target', async () => {
    await setting.primary.setBehaviour('*', { alwaysFault: tenMegabytes });
    const asked = await setting.ask('plain');
    expect(asked).toMatchObject({ status: 200, content: wholeAnswer, answeredBy: 'fallback', attempts: 2 });
    expect((await setting.rows(asked.turnId))[0]).toMatchObject({
      state: 'unconfirmed',
      outcome: 'response-too-large',
    });
    await setting.expectHealthy();
  });

  test('that a stream has shown of are followed by an error event, and nobody is asked to go on from them', async () => {
    await setting.primary.setBehaviour('*', { alwaysFault: tenMegabytes });
    const asked = await setting.ask('streamed');
    expect(asked.error).toMatchObject({ code: 'stream_diverged' });
    expect(asked.raw.length).toBeLessThan(2 * 1024 * 1024);
    expect(await storedAnswer(setting, asked.turnId)).toBe(wholeAnswer);
    const [first, second] = [...(await setting.primary.calls()), ...(await setting.fallback.calls())];
    expect(second?.promptTokens).toBe(first?.promptTokens);
    await setting.expectHealthy();
  });

  test('of every provider are a clear error', async () => {
    for (const manner of manners) {
      await setting.primary.setBehaviour('*', { alwaysFault: tenMegabytes });
      await setting.fallback.setBehaviour('*', { alwaysFault: tenMegabytes });
      expect((await setting.ask(manner)).error).toMatchObject({ code: 'provider_bad_response' });
      await setting.expectHealthy();
    }
  });
});

test.each(manners)(
  'content that a provider refuses is offered to no other, and its reason reaches the caller of a %s request',
  async (manner) => {
    await setting.primary.setBehaviour('*', { alwaysFault: faults.contentFilter('No poems about tarragon.') });
    const asked = await setting.ask(manner);
    expect(asked).toMatchObject({ status: 400, error: { code: 'content_filter', param: 'messages' } });
    expect(asked.error?.message).toContain('No poems about tarragon.');
    const calls = await setting.calls();
    expect([calls.primary.length, calls.fallback.length]).toEqual([1, 0]);
    await setting.expectHealthy();
  },
);

test('no key is in any log, ledger row or history of all this', async () => {
  expect(turnIds.length).toBeGreaterThan(rows.length);
  expect(setting.logged.join('')).not.toContain(providerKey);
  expect(JSON.stringify(await setting.service.ledger.attempts())).not.toContain(providerKey);
  for (const turnId of turnIds) {
    const words = await wordsOfHistory(setting.service.temporal, `turn/${turnId}`);
    // What is certainly in a history, so that the search can find something.
    expect(words).toContain('Where is my order?');
    expect(words).not.toContain(providerKey);
  }
});
