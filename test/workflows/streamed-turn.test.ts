import { countTokens } from '../../src/local/simulator/tokens';
import type { ConfigFileInput } from '../../src/config/schema';
import type { ChatReply, Delivery } from '../../src/contract/chat';
import type { StreamLimits } from '../../src/contract/policy';
import type { StreamPiece } from '../../src/contract/stream';
import { AnswerSoFar } from '../../src/domain/stream/answer-so-far';
import { type Fault, faults } from '../../src/local/simulator/behaviour';
import { disagreements } from '../support/audit';
import { fallbackModel, primaryModel, startService, type Service } from '../support/service';
import { unique } from '../support/temporal';

/** Limits that no good call reaches, however long the machine stands still. */
const patience = { firstByteMs: 60_000, firstTokenMs: 60_000, idleMs: 60_000 };

const configuration = {
  retry: { baseDelayMs: 50, delayJitterMs: 50 },
  stream: patience,
  // These tests let one target fail more often than any in real life may.
  breaker: { failures: 1_000 },
};

/** The same with a limit of the first target that can be waited for: for calls that are to pass it, and no other. */
function withLimit(limit: Partial<StreamLimits>): ConfigFileInput {
  const target = { provider: 'holysheep' };
  return {
    ...configuration,
    arms: {
      holysheep: {
        targets: [
          { ...target, name: 'holysheep-primary', model: primaryModel, stream: limit },
          { ...target, name: 'holysheep-fallback', model: fallbackModel },
        ],
      },
    },
    defaultArm: 'holysheep',
  };
}

let service: Service;
beforeAll(async () => {
  service = await startService({ configuration });
});
afterAll(() => service.stop());
beforeEach(async () => {
  await service.simulator.clearCalls();
  await service.simulator.setBehaviour('*', { alwaysFault: null, prefill: 'continue' });
});

/** Later than any test waits. */
const lateFirstToken = { kind: 'late-first-token', ms: 600_000 } as const;

const messages = [{ role: 'user', content: 'Where is my order?' }] as const;
const wholeAnswer =
  'Your order has left our warehouse and should reach you within 2 to 3 days. The tracking link is in your e-mail.';

interface Turn {
  readonly reply: ChatReply;
  readonly pieces: readonly StreamPiece[];
  /** What a caller has been sent when the reply comes. */
  readonly shown: string;
  /** What it gets then; null when the reply is not what it has been sent the beginning of. */
  readonly rest: string | null;
}

async function ask(delivery: Delivery = 'streamed', by = service): Promise<Turn> {
  const turnId = unique('turn');
  const reply = await by.client.complete({ turnId, delivery, messages });
  const pieces = await by.streams.pieces(turnId);
  const caller = new AnswerSoFar();
  const shown = pieces.map((piece) => caller.take(piece)).join('');
  const ending = caller.finish(reply.content);
  const rows = await by.ledger.attempts(turnId);
  expect(disagreements(rows, await by.simulator.calls())).toEqual([]);
  expect(reply.attempts).toBe(rows.length);
  return { reply, pieces, shown, rest: ending.kind === 'rest' ? ending.text : null };
}

/** What an attempt has shown, whose pieces begin at 0. */
function textOf(pieces: readonly StreamPiece[], attempt: number): string {
  let text = '';
  for (const piece of pieces) {
    if (piece.attempt !== attempt) continue;
    expect(piece.at).toBe(text.length);
    text += piece.text;
  }
  return text;
}

const modelsAsked = async (by = service) => (await by.simulator.calls()).map(({ model }) => model);

test('a streamed turn shows its whole answer before its reply', async () => {
  const { reply, shown, rest } = await ask();
  expect(reply).toMatchObject({ content: wholeAnswer, success: true, attempts: 1, finish_reason: 'stop' });
  expect({ shown, rest }).toEqual({ shown: wholeAnswer, rest: '' });
  const [call] = await service.simulator.calls();
  expect(reply.usage).toEqual({
    prompt_tokens: call?.promptTokens,
    completion_tokens: call?.completionTokens,
    cached_tokens: 0,
  });
});

test.each(['collected', 'whole'] as const)('a turn whose answer is %s shows nothing', async (delivery) => {
  const { reply, pieces } = await ask(delivery);
  expect(reply).toMatchObject({ content: wholeAnswer, success: true });
  expect(pieces).toEqual([]);
});

/** The last is what ends it, for one that does not end by itself. */
const breaking: readonly [string, Fault, readonly string[], Partial<StreamLimits>?][] = [
  ['is cut', { kind: 'cut' }, [primaryModel, primaryModel]],
  ['is reset', { kind: 'reset-mid-body' }, [primaryModel, primaryModel]],
  // The pieces of the simulator come at once.
  ['stalls', { kind: 'stall' }, [primaryModel, fallbackModel], { idleMs: 1_000 }],
  ['ends in an error', { kind: 'error-in-body' }, [primaryModel, primaryModel]],
];

describe.each(breaking)('a stream that %s', (_title, fault, models, limit) => {
  let broken: Service;
  beforeAll(async () => {
    broken = limit ? await startService({ configuration: withLimit(limit) }) : service;
  });
  afterAll(async () => {
    if (broken !== service) await broken.stop();
  });
  beforeEach(async () => {
    await broken.simulator.clearCalls();
    await broken.simulator.queueFaults(primaryModel, [fault]);
  });

  test('is gone on with, and its caller gets every character once', async () => {
    const { reply, pieces, shown, rest } = await ask('streamed', broken);
    expect(reply).toMatchObject({ content: wholeAnswer, success: true, attempts: 2 });
    expect({ shown, rest }).toEqual({ shown: wholeAnswer, rest: '' });
    expect(await modelsAsked(broken)).toEqual(models);
    expect(textOf(pieces, 2)).toBe(wholeAnswer);
    // The model was asked for the rest alone, and for the words before it.
    const [first, last] = await broken.simulator.calls();
    expect(last?.completionTokens).toBeLessThan(countTokens(wholeAnswer));
    expect(last?.promptTokens).toBeGreaterThan(first?.promptTokens ?? Infinity);
  });

  test('begins anew where nobody saw it', async () => {
    const { reply } = await ask('collected', broken);
    expect(reply).toMatchObject({ content: wholeAnswer, success: true, attempts: 2 });
    const [first, last] = await broken.simulator.calls();
    expect(last?.promptTokens).toBe(first?.promptTokens);
  });
});

test('a stream that breaks again and again is gone on with each time', async () => {
  const cut = { kind: 'cut', afterTokens: 4 } as const;
  await service.simulator.queueFaults(primaryModel, [cut, cut, cut]);
  const { reply, pieces, shown, rest } = await ask();
  expect(reply).toMatchObject({ content: wholeAnswer, provider: 'holysheep-fallback', attempts: 4 });
  expect({ shown, rest }).toEqual({ shown: wholeAnswer, rest: '' });
  const texts = [1, 2, 3, 4].map((attempt) => textOf(pieces, attempt));
  for (const [index, text] of texts.slice(1).entries()) expect(text.startsWith(texts[index] ?? '')).toBe(true);
});

test('a target that is asked to go on and says it all again gives a whole answer', async () => {
  await service.simulator.setBehaviour('*', { prefill: 'ignore' });
  await service.simulator.queueFaults(primaryModel, [{ kind: 'cut' }]);
  const { reply, shown, rest } = await ask();
  expect(reply).toMatchObject({ content: wholeAnswer, attempts: 2 });
  expect(shown + rest).toBe(wholeAnswer);
});

test('a target that is asked to go on and says something else is asked anew, and not to go on ever again', async () => {
  const fresh = await startService();
  try {
    await fresh.simulator.setBehaviour('*', { prefill: 'other' });
    for (const attempts of [3, 2]) {
      await fresh.simulator.clearCalls();
      await fresh.simulator.queueFaults(primaryModel, [{ kind: 'cut' }]);
      const { reply, shown, rest } = await ask('streamed', fresh);
      expect(reply).toMatchObject({ content: wholeAnswer, attempts });
      expect(shown + rest).toBe(wholeAnswer);
    }
  } finally {
    await fresh.stop();
  }
});

test.each([
  ['a silent target', 'streamed', { firstByteMs: 1_000 }, { kind: 'silence' }],
  ['a target that takes too long for its first token', 'collected', { firstTokenMs: 1_000 }, lateFirstToken],
] as const)('%s is left for the next one at once', async (_title, delivery, limit, fault) => {
  const impatient = await startService({ configuration: withLimit(limit) });
  try {
    await impatient.simulator.queueFaults(primaryModel, [fault]);
    const { reply } = await ask(delivery, impatient);
    expect(reply).toMatchObject({ content: wholeAnswer, provider: 'holysheep-fallback', attempts: 2 });
    expect(await modelsAsked(impatient)).toEqual([primaryModel, fallbackModel]);
  } finally {
    await impatient.stop();
  }
});

test('a long answer may take longer than an attempt at a whole one, as long as it goes on', async () => {
  const patient = await startService({
    configuration: { retry: { baseTimeoutMs: 300, timeoutJitterMs: 0 }, stream: patience },
    models: { [primaryModel]: { pieceGapMs: 100 }, [fallbackModel]: {} },
  });
  try {
    const { reply } = await ask('streamed', patient);
    expect(reply).toMatchObject({ provider: 'holysheep-primary', attempts: 1, content: wholeAnswer });
  } finally {
    await patient.stop();
  }
});

test('a target without streams answers streamed turns too, and may go on from a beginning', async () => {
  const target = { provider: 'holysheep' } as const;
  const mixed = await startService({
    configuration: {
      arms: {
        holysheep: {
          targets: [
            { ...target, name: 'streaming', model: primaryModel },
            { ...target, name: 'plain', model: fallbackModel, streaming: false },
          ],
        },
      },
      defaultArm: 'holysheep',
      retry: { maxAttemptsPerTarget: 1, baseTimeoutMs: 60_000 },
      stream: patience,
    },
  });
  try {
    await mixed.simulator.queueFaults(primaryModel, [{ kind: 'cut' }]);
    const { reply, pieces } = await ask('streamed', mixed);
    expect(reply).toMatchObject({ provider: 'plain', content: wholeAnswer, attempts: 2 });
    expect(textOf(pieces, 2)).toBe(wholeAnswer);
  } finally {
    await mixed.stop();
  }
});

describe('a target that refuses to go on', () => {
  let refusing: Service;
  beforeEach(async () => {
    // A worker that does not know it yet.
    refusing = await startService({ configuration });
    await refusing.simulator.setBehaviour('*', { prefill: 'refuse' });
    await refusing.simulator.queueFaults(primaryModel, [{ kind: 'cut' }]);
  });
  afterEach(() => refusing.stop());

  test('is asked again at once without that, and remembered', async () => {
    const { reply, shown, rest } = await ask('streamed', refusing);
    expect(reply).toMatchObject({ content: wholeAnswer, provider: 'holysheep-primary', attempts: 3 });
    expect({ shown, rest }).toEqual({ shown: wholeAnswer, rest: '' });
    expect((await refusing.simulator.calls()).map(({ status }) => status)).toEqual([200, 400, 200]);
    const states = (await refusing.ledger.attempts(reply.turn_id)).map(({ state, outcome }) => `${state} ${outcome}`);
    expect(states).toEqual(['unconfirmed connection', 'released bad-request', 'settled answered']);

    await refusing.simulator.clearCalls();
    await refusing.simulator.queueFaults(primaryModel, [{ kind: 'cut' }]);
    await expect(ask('streamed', refusing)).resolves.toMatchObject({ reply: { attempts: 2, content: wholeAnswer } });
  });

  test('does not hide why the turn failed', async () => {
    await refusing.simulator.setBehaviour(primaryModel, { alwaysFault: faults.unknownModel(primaryModel) });
    await refusing.simulator.queueFaults(fallbackModel, [faults.prefillRefused(), faults.contentFilter()]);
    const { reply } = await ask('streamed', refusing);
    // Cut; then refused, with and without the beginning, by both.
    expect(reply).toMatchObject({ success: false, error_kind: 'content-filter', attempts: 5 });
  });
});
