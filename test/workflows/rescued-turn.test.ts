import type { ChatReply, Delivery } from '../../src/contract/chat';
import type { RolloutSpec } from '../../src/contract/rollout';
import { AnswerSoFar } from '../../src/domain/stream/answer-so-far';
import { type Fault, faults } from '../../src/local/simulator/behaviour';
import { startSimulator } from '../../src/local/simulator/simulator';
import { defaultArm, entry } from '../ledger/rollout-entries';
import { disagreements } from '../support/audit';
import { startRecordingProvider } from '../support/recording-provider';
import { prepareRolloutService, type RolloutService } from '../support/rollout-service';
import { fallbackModel, primaryModel, type ServiceOptions } from '../support/service';
import { unique } from '../support/temporal';

const legacyModel = 'legacy-chat';
const pinned = 'staff';
const pinnedToBaseline = 'old-staff';
const configuration = {
  retry: { baseDelayMs: 10, delayJitterMs: 10 },
  // These tests let targets fail more often than any in real life may.
  breaker: { failures: 1_000 },
  pinnedUsers: { [pinned]: 'holysheep', [pinnedToBaseline]: 'legacy' },
};
const wholeAnswer =
  'Your order has left our warehouse and should reach you within 2 to 3 days. The tracking link is in your e-mail.';

/** A service with a worker, whose users are all on the canary arm of a rollout that is under way. */
async function startUnderWay(options: ServiceOptions = {}, spec: Partial<RolloutSpec> = {}): Promise<RolloutService> {
  const models = { [primaryModel]: {}, [fallbackModel]: {}, [legacyModel]: {} };
  const simulator = await startSimulator({ models });
  const prepared = await prepareRolloutService({
    ...options,
    simulator,
    configuration: { ...configuration, ...options.configuration },
  });
  const begun = entry(1, { percent: 100, spec: { rescue: true, ...spec } });
  expect(await prepared.ledger.rollouts.record(begun, defaultArm)).toMatchObject({ kind: 'recorded' });
  await prepared.startWorker();
  const stop = async (): Promise<void> => {
    await prepared.stop();
    await simulator.close();
  };
  return { ...prepared, stop };
}

let service: RolloutService;
beforeAll(async () => {
  service = await startUnderWay();
});
afterAll(() => service.stop());
beforeEach(async () => {
  await service.simulator.clearCalls();
  await failing(null);
});

/** Both models of the canary arm fail so. */
async function failing(fault: Fault | null): Promise<void> {
  await service.simulator.setBehaviour('*', { alwaysFault: null, prefill: 'continue' });
  if (fault === null) return;
  for (const model of [primaryModel, fallbackModel])
    await service.simulator.setBehaviour(model, { alwaysFault: fault });
}

interface Asked {
  readonly reply: ChatReply;
  readonly shown: string;
  readonly rows: readonly { readonly arm: string; readonly target: string; readonly state: string }[];
}

async function ask(
  options: { delivery?: Delivery; userId?: string; keyId?: string; model?: string } = {},
): Promise<Asked> {
  const turnId = unique('turn');
  const messages = [{ role: 'user', content: 'Where is my order?' }] as const;
  const reply = await service.client.complete({ turnId, messages, userId: unique('user'), ...options });
  const caller = new AnswerSoFar();
  const pieces = await service.streams.pieces(turnId);
  const shown = pieces.map((piece) => caller.take(piece)).join('');
  return { reply, shown, rows: await service.ledger.attempts(turnId) };
}

const rescued = {
  provider: 'legacy-primary',
  model: legacyModel,
  handler: 'holysheep',
  canary: true,
  rescued: true,
  success: true,
  content: wholeAnswer,
} as const;

const totalsOf = async (arm: string) =>
  (await service.ledger.rollouts.armTotals('november')).find((totals) => totals.arm === arm);

test('a turn that the canary cannot answer is answered by the baseline, and counts as the failure that it is', async () => {
  await failing(faults.unknownModel('any'));
  const before = await totalsOf('holysheep');
  const { reply, rows } = await ask();
  expect(reply).toMatchObject({ ...rescued, attempts: 3 });
  expect(rows).toMatchObject([
    { arm: 'holysheep', target: 'holysheep-primary', state: 'released' },
    { arm: 'holysheep', target: 'holysheep-fallback', state: 'released' },
    { arm: 'legacy', target: 'legacy-primary', state: 'settled' },
  ]);
  expect(disagreements(await service.ledger.attempts(reply.turn_id), await service.simulator.calls())).toEqual([]);

  const after = await totalsOf('holysheep');
  const grown = (field: 'turns' | 'failures' | 'successfulTurns' | 'costNanoUsd' | 'rescuedTurns' | 'rescueNanoUsd') =>
    (after?.[field] ?? 0) - (before?.[field] ?? 0);
  expect({ turns: grown('turns'), failures: grown('failures'), rescuedTurns: grown('rescuedTurns') }).toEqual({
    turns: 1,
    failures: 1,
    rescuedTurns: 1,
  });
  // What the baseline charged is told apart: it is neither the canary's cost nor its success.
  expect({ own: grown('costNanoUsd'), successes: grown('successfulTurns') }).toEqual({ own: 0, successes: 0 });
  expect(Math.round(grown('rescueNanoUsd') / 1000) / 1e6).toBe(reply.cost_usd);
  expect(reply.cost_usd).toBeGreaterThan(0);
  const costs = await service.ledger.costsBy('arm', 10);
  expect(costs.find(({ key }) => key === 'legacy')).toMatchObject({ costNanoUsd: after?.rescueNanoUsd, turns: 1 });
});

test('a canary that answers is not rescued, and neither is a turn of a user who is pinned to its arm', async () => {
  const { reply } = await ask();
  expect(reply).toMatchObject({ provider: 'holysheep-primary', success: true });
  expect(reply).not.toHaveProperty('rescued');
  await failing(faults.unknownModel('any'));
  expect((await ask({ userId: pinned })).reply).toMatchObject({
    provider: 'degraded-mode',
    canary: false,
    attempts: 2,
  });
});

test('the next target of the canary comes before the baseline', async () => {
  await service.simulator.setBehaviour(primaryModel, { alwaysFault: faults.unknownModel('any') });
  const { reply } = await ask();
  expect(reply).toMatchObject({ provider: 'holysheep-fallback', canary: true, attempts: 2 });
});

test('a model of the baseline that the request names is the first to rescue, and the canary is tried before', async () => {
  await failing(faults.unknownModel('any'));
  expect((await ask({ model: legacyModel })).reply).toMatchObject({ ...rescued, attempts: 3 });
});

test.each<[string, Fault]>([
  ['nothing', faults.unknownModel('any')],
  ['the beginning', { kind: 'cut', afterTokens: 3 }],
])('a stream of which the canary has shown %s is completed by the baseline', async (_, fault) => {
  await failing(fault);
  const { reply, shown } = await ask({ delivery: 'streamed' });
  expect(reply).toMatchObject(rescued);
  expect(shown).toBe(wholeAnswer);
});

test('content that a provider refuses is sent to no other', async () => {
  await failing(faults.contentFilter());
  const { reply } = await ask();
  expect(reply).toMatchObject({ provider: 'degraded-mode', error_kind: 'content-filter', attempts: 1 });
});

test('when the baseline fails too, the user gets an apology, and no turn counts as rescued', async () => {
  await failing(null);
  await service.simulator.setBehaviour('*', { alwaysFault: faults.unknownModel('any') });
  const before = await totalsOf('holysheep');
  expect((await ask()).reply).toMatchObject({ provider: 'degraded-mode', success: false, attempts: 3 });
  expect(await totalsOf('holysheep')).toMatchObject({ rescuedTurns: before?.rescuedTurns ?? 0 });
});

test('a budget that cannot pay for the baseline refuses its call', async () => {
  await failing(faults.unknownModel('any'));
  // Enough for 1,000 tokens of the canary's fallback, at $2.50 a million, and not of the baseline, at $2.80.
  const keyId = unique('key');
  const key = { id: keyId, name: 'small', role: 'chat', models: null, requestsPerMinute: null } as const;
  const caps = { dayNanoUsd: null, totalNanoUsd: 2_700_000 };
  await service.ledger.keys.create({ ...key, ...caps, secretHash: '', createdAtMs: 0, expiresAtMs: null });
  const { reply, rows } = await ask({ keyId });
  expect(reply).toMatchObject({ provider: 'degraded-mode', error_kind: 'budget', cost_usd: 0 });
  expect(rows.map(({ arm }) => arm)).toEqual(['holysheep', 'holysheep']);
});

describe('a rescue', () => {
  const sent = {
    messages: [
      {
        role: 'user' as const,
        content: [
          { type: 'text' as const, text: 'What is this?' },
          { type: 'image_url' as const, image_url: { url: 'https://shop.example.com/shoe.png' } },
        ],
      },
    ],
    modelOptions: { tools: [{ type: 'function', function: { name: 'find_shoe', parameters: { type: 'object' } } }] },
  };

  test('sends the tools and images of the request, and reserves what the baseline reserves for its own turns', async () => {
    const legacy = await startRecordingProvider();
    const own = await startUnderWay({ environment: { LEGACY_BASE_URL: legacy.baseUrl } });
    await own.simulator.setBehaviour('*', { alwaysFault: faults.unknownModel('any') });
    try {
      const turnId = unique('turn');
      const reply = await own.client.complete({ turnId, userId: 'ann', ...sent });
      expect(reply).toMatchObject({ provider: 'legacy-primary', rescued: true, content: 'answer 1' });
      expect(legacy.requests).toMatchObject([
        { model: legacyModel, messages: sent.messages, tools: sent.modelOptions.tools },
      ]);
      const rows = await own.ledger.attempts(turnId);
      const ofBaseline = unique('turn');
      await own.client.complete({ turnId: ofBaseline, userId: pinnedToBaseline, ...sent });
      const [first] = await own.ledger.attempts(ofBaseline);
      expect(rows[2]?.reservedNanoUsd).toBe(first?.reservedNanoUsd);
    } finally {
      await own.stop();
      await legacy.close();
    }
  });

  test('has time also after targets that are silent for as long as they may be', async () => {
    const retry = { maxAttemptsPerTarget: 1, baseTimeoutMs: 6_000, timeoutJitterMs: 0, turnDeadlineMs: 12_000 };
    const own = await startUnderWay({ configuration: { retry } });
    for (const model of [primaryModel, fallbackModel]) {
      await own.simulator.setBehaviour(model, { alwaysFault: { kind: 'silence' } });
    }
    try {
      const reply = await own.client.complete({ userId: 'ann', messages: [{ role: 'user', content: 'Hello' }] });
      expect(reply).toMatchObject({ provider: 'legacy-primary', rescued: true, attempts: 3 });
    } finally {
      await own.stop();
    }
  });

  test('is tried also where its target has the name of one that failed', async () => {
    const target = { name: 'other', provider: 'holysheep', model: fallbackModel };
    const own = await startUnderWay({
      configuration: {
        arms: {
          holysheep: { targets: [{ name: 'first', provider: 'holysheep', model: primaryModel }, target] },
          legacy: { targets: [{ name: 'other', provider: 'legacy', model: legacyModel }] },
        },
      },
    });
    for (const model of [primaryModel, fallbackModel]) {
      await own.simulator.setBehaviour(model, { alwaysFault: faults.unknownModel('any') });
    }
    try {
      const reply = await own.client.complete({ userId: 'ann', messages: [{ role: 'user', content: 'Hello' }] });
      expect(reply).toMatchObject({ provider: 'other', model: legacyModel, rescued: true, attempts: 3 });
    } finally {
      await own.stop();
    }
  });

  test('does not happen in a rollout without it', async () => {
    const own = await startUnderWay({}, { rescue: false });
    await own.simulator.setBehaviour('*', { alwaysFault: faults.unknownModel('any') });
    await own.simulator.setBehaviour(legacyModel, { alwaysFault: null });
    try {
      const reply = await own.client.complete({ userId: 'ann', messages: [{ role: 'user', content: 'Hello' }] });
      expect(reply).toMatchObject({ provider: 'degraded-mode', canary: true, attempts: 2 });
    } finally {
      await own.stop();
    }
  });
});
