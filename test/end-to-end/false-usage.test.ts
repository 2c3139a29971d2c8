/** A provider that claims what it cannot have used: the turn ends once, its call is bought once, and the day goes on. */
import { describeOnEachDatabase, type TestDatabase } from '../support/ledgers';
import { fallbackModel, primaryModel, startService, type Service } from '../support/service';
import { unique } from '../support/temporal';

/** At $0.42 per million tokens a call of at most 1,000 reserves some $0.00045. */
const reservedUsd = 0.0005;

describeOnEachDatabase('a provider that claims what it cannot have used', (databases) => {
  let database: TestDatabase;
  let service: Service;
  beforeAll(async () => {
    database = await databases.create();
    const { databaseUrl } = database.location;
    service = await startService({ environment: databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl } });
  });
  afterAll(async () => {
    await service.stop();
    await database.remove();
  });

  async function turnThatClaims(usage: unknown, delivery: 'whole' | 'collected') {
    await service.simulator.clearCalls();
    await service.simulator.queueFaults(primaryModel, [{ kind: 'false-usage', usage }]);
    const turnId = unique('turn');
    const before = await service.ledger.costTotals();
    const reply = await service.client.complete({
      turnId,
      delivery,
      messages: [{ role: 'user', content: 'Where is my order?' }],
    });
    const after = await service.ledger.costTotals();
    const calls = await service.simulator.calls();
    const rows = await service.ledger.attempts(turnId);
    const spentNanoUsd = after.costNanoUsd + after.unconfirmedNanoUsd - before.costNanoUsd - before.unconfirmedNanoUsd;
    return { turnId, reply, calls, rows, spentUsd: spentNanoUsd / 1e9 };
  }

  test.each([
    ['1e9 tokens', { prompt_tokens: 10, completion_tokens: 1e9 }],
    ['3e9 tokens, more than 32 bits hold', { prompt_tokens: 10, completion_tokens: 3e9 }],
    ['1e15 tokens, whose cost no number holds exactly', { prompt_tokens: 10, completion_tokens: 1e15 }],
    ['-5 tokens', { prompt_tokens: 10, completion_tokens: -5 }],
    ['1e9 tokens of the prompt', { prompt_tokens: 1e9, completion_tokens: 10 }],
  ])('that claims %s is paid its reservation, once', async (_case, usage) => {
    for (const delivery of ['whole', 'collected'] as const) {
      const { turnId, reply, calls, rows, spentUsd } = await turnThatClaims(usage, delivery);
      expect(reply).toMatchObject({ success: true, provider: 'holysheep-primary', attempts: 1, cost_usd: 0 });
      expect(reply).not.toHaveProperty('usage');
      expect(calls.map(({ requestId }) => requestId)).toEqual([`${turnId}.1`]);
      expect(rows).toMatchObject([{ state: 'unconfirmed', outcome: 'answered', completionTokens: 0 }]);
      expect(spentUsd).toBeGreaterThan(0);
      expect(spentUsd).toBeLessThan(reservedUsd);
    }
  });

  test('that claims more than was reserved, and no more than the model can say, is paid that', async () => {
    const { reply, calls, rows } = await turnThatClaims({ prompt_tokens: 10, completion_tokens: 20_000 }, 'whole');
    expect(reply).toMatchObject({ success: true, attempts: 1, cost_usd: 0.008404, unconfirmed_usd: 0 });
    expect(calls).toHaveLength(1);
    expect(rows).toMatchObject([{ state: 'settled', costNanoUsd: 8_404_200, completionTokens: 20_000 }]);
  });

  test('stops no other turn of the day', async () => {
    await turnThatClaims({ prompt_tokens: 10, completion_tokens: 1e12 }, 'whole');
    const reply = await service.client.complete({ messages: [{ role: 'user', content: 'And now?' }] });
    expect(reply).toMatchObject({ success: true, blocked: false, model: primaryModel });
    expect(reply.remaining_budget).toBeGreaterThan(99);
    expect((await service.ledger.costTotals()).reservedNanoUsd).toBe(0);
    expect((await service.simulator.calls()).filter(({ model }) => model === fallbackModel)).toEqual([]);
  });
});
