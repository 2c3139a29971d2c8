/** What a provider claims to have used, from its answer to the ledger and the worker's log. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger, type LogEntry } from '@temporalio/worker';
import type { ConfigFileInput } from '../../src/config/schema';
import type { OpenTurnInput } from '../../src/contract/turn';
import { primaryModel } from '../support/service';
import { inActivity, newTurn, prepareSetting, type Setting } from './setting';

const question = 'Where is my order?';
/** At $0.42 per million tokens: 18 bytes, 32 tokens of the template and 1,000 of the answer. */
const reservedNanoUsd = (18 + 32 + 1_000) * 420;

const targets = (maxOutputTokens: number): ConfigFileInput => ({
  arms: {
    holysheep: {
      targets: [{ name: 'holysheep-primary', provider: 'holysheep', model: primaryModel, maxOutputTokens }],
    },
  },
  defaultArm: 'holysheep',
});

let setting: Setting;
beforeAll(async () => {
  setting = await prepareSetting({ configuration: targets(20_000) });
});
afterAll(() => setting.stop());
beforeEach(() => setting.simulator.clearCalls());

/** A turn whose provider claims this, with what the worker's log says of it. */
async function turnThatClaims(usage: unknown, changes: Partial<OpenTurnInput> = {}, place = setting) {
  await place.simulator.queueFaults(primaryModel, [{ kind: 'false-usage', usage }]);
  const log: LogEntry[] = [];
  const logger = new DefaultLogger('WARN', (entry) => log.push(entry));
  const turn = { ...newTurn(question), ...changes };
  const environment = new MockActivityEnvironment({ attempt: 1 }, { logger });
  const opened = await inActivity(() => place.newProcess().openTurn(turn), environment);
  const rows = await place.ledger.attempts(turn.turnId);
  return { turn, opened, rows, log };
}

const deliveries = ['whole', 'collected', 'streamed'] as const;

test.each(deliveries)('a claim that can be true is booked as it is, and nobody is told (%s)', async (delivery) => {
  const { opened, rows, log } = await turnThatClaims({ prompt_tokens: 12, completion_tokens: 100 }, { delivery });
  expect(opened).toMatchObject({ kind: 'answered', usage: { promptTokens: 12, completionTokens: 100 } });
  expect(rows).toMatchObject([{ state: 'settled', costNanoUsd: 112 * 420, usageNote: null }]);
  expect(log).toEqual([]);
});

test.each(deliveries)(
  'more cached than prompt tokens are all of these, and the claim is booked (%s)',
  async (delivery) => {
    const claim = { prompt_tokens: 12, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 13 } };
    const { opened, rows, log } = await turnThatClaims(claim, { delivery });
    const usage = { promptTokens: 12, cachedPromptTokens: 12, completionTokens: 5 };
    expect(opened).toMatchObject({ kind: 'answered', usage });
    expect(rows).toMatchObject([{ state: 'settled', costNanoUsd: 17 * 420, usageNote: null }]);
    expect(log).toEqual([]);
  },
);

test.each(deliveries)('a claim over the reservation is booked as it is, and told (%s)', async (delivery) => {
  const claim = { prompt_tokens: 12, completion_tokens: 20_000 };
  const { turn, opened, rows, log } = await turnThatClaims(claim, { delivery });
  expect(opened).toMatchObject({ kind: 'answered', usage: { completionTokens: 20_000 } });
  const usageNote =
    'Over the reservation: 12 prompt tokens and 20000 completion tokens cost $0.008405; $0.000441 was reserved.';
  expect(rows).toMatchObject([{ state: 'settled', costNanoUsd: 20_012 * 420, reservedNanoUsd, usageNote }]);
  expect(log).toMatchObject([
    {
      level: 'WARN',
      message: `A provider reported an unusual usage. ${usageNote}`,
      meta: { turn_id: turn.turnId, attempt: 1, target: 'holysheep-primary', model: primaryModel },
    },
  ]);
});

test.each<[string, unknown, RegExp]>([
  ['one token more', { prompt_tokens: 12, completion_tokens: 20_001 }, /20001, more than the 20000 .*maxOutputTokens/],
  ['1e9 tokens', { prompt_tokens: 12, completion_tokens: 1e9 }, /1000000000, more than/],
  ['1e15 tokens', { prompt_tokens: 12, completion_tokens: 1e15 }, /1000000000000000, more than/],
  ['-5 tokens', { prompt_tokens: 12, completion_tokens: -5 }, /completion_tokens is -5/],
  ['a longer prompt', { prompt_tokens: 51, completion_tokens: 5 }, /prompt_tokens is 51, more than the 50/],
  ['its prompt for a count', { prompt_tokens: question, completion_tokens: 5 }, /prompt_tokens is of type string/],
  ['a list', [1, 2], /prompt_tokens is missing/],
  ['a text', question, /prompt_tokens is missing/],
])('a claim of %s is booked at the reservation, unconfirmed, and told', async (_case, claim, doubt) => {
  for (const delivery of deliveries) {
    const { opened, rows, log } = await turnThatClaims(claim, { delivery });
    expect(opened).toMatchObject({ kind: 'answered', usage: null, totals: { attempts: 1, costNanoUsd: 0 } });
    expect(rows).toMatchObject([
      {
        state: 'unconfirmed',
        outcome: 'answered',
        costNanoUsd: reservedNanoUsd,
        usageNote: expect.stringMatching(doubt),
      },
    ]);
    expect(log).toMatchObject([{ level: 'WARN', message: expect.stringMatching(doubt) }]);
    expect(
      JSON.stringify(log, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
    ).not.toContain(question);
  }
  expect(await setting.simulator.calls()).toHaveLength(deliveries.length);
});

test('what a turn asked for is believed, also where the target is said to produce less', async () => {
  const small = await prepareSetting({ configuration: targets(100) });
  try {
    const claim = { prompt_tokens: 12, completion_tokens: 900 };
    expect((await turnThatClaims(claim, { maxTokens: 900 }, small)).rows).toMatchObject([{ state: 'settled' }]);
    expect((await turnThatClaims(claim, { maxTokens: 899 }, small)).rows).toMatchObject([{ state: 'unconfirmed' }]);
  } finally {
    await small.stop();
  }
});
