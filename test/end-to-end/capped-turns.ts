import { BudgetRefusedError } from '../../src/client/errors';
import { billedNanoUsd, countBy, disagreements } from '../support/audit';
import { prepareAuditedService } from '../support/audited-service';
import { eventually } from '../support/eventually';
import { fallbackModel, primaryModel } from '../support/service';
import { unique } from '../support/temporal';

/** An answered turn takes some 70 tokens, at $0.42 per million some $0.00003: this pays for about a fifth of them. */
const dayMicroUsdPerTurn = 6;

/** A busy machine may take minutes for 500 turns at once; what they may cost has nothing to do with it. */
const patienceMs = 400_000;

/** Turns at once, of two workers of which one is killed half-way: what they cost stays within what a day may cost. */
export async function expectCapHolds(turnCount: number): Promise<void> {
  const service = await prepareAuditedService({
    models: { [primaryModel]: { latency: { kind: 'fixed', ms: 100 } }, [fallbackModel]: {} },
    // A reply of at most 80 tokens: a reservation is then 2 to 3 times what the turn costs in the end.
    configuration: { budgets: { dayUsd: (turnCount * dayMicroUsdPerTurn) / 1e6 }, defaults: { maxTokens: 80 } },
  });
  try {
    const [victim] = await Promise.all([service.addWorker(), service.addWorker()]);
    const run = unique('cap');
    const turns = Array.from({ length: turnCount }, async (_, turn) => {
      const id = `${run}-${turn}`;
      const content = `Where is my order? [ref:${id}]`;
      try {
        const reply = await service.client.send({ sessionId: id, turnId: id, content, deadlineMs: patienceMs });
        expect(reply).toMatchObject({ success: true, content: expect.stringContaining(`[ref:${id}]`) });
        return 'answered';
      } catch (error) {
        expect(error).toBeInstanceOf(BudgetRefusedError);
        return 'refused';
      }
    });
    const ended = Promise.all(turns);
    await Promise.race([
      ended,
      eventually('half of the calls are made', () => service.calls().length >= turnCount / 10, patienceMs),
    ]);
    const callsBeforeKill = service.calls().length;
    await victim.kill();
    const outcomes = countBy(await ended, (outcome) => outcome);

    const capNanoUsd = service.settings.policy.budgets.dayNanoUsd;
    const price = service.settings.policy.arms['holysheep']?.targets[0]?.price;
    if (!price) throw new Error('The default configuration has no price of its first model.');
    const calls = service.calls();
    const rows = await service.ledger.attempts();
    const billed = billedNanoUsd(calls, price);
    const settled = new Set(rows.filter((row) => row.state === 'settled').map((row) => `${row.turnId}.${row.attempt}`));
    const settledCalls = calls.filter((call) => settled.has(String(call.requestId)));
    const totals = await service.ledger.costTotals();
    process.stdout.write(
      `Daily cap: ${turnCount} turns, cap ${capNanoUsd} nano-dollars, a worker killed after ${callsBeforeKill} calls: ` +
        `${JSON.stringify(outcomes)}, ${calls.length} calls ${JSON.stringify(countBy(calls, (call) => call.outcome))}, ` +
        `billed ${billed}, ledger ${totals.costNanoUsd} + ${totals.unconfirmedNanoUsd} unconfirmed, ` +
        `rows ${JSON.stringify(countBy(rows, (row) => row.state))}\n`,
    );
    expect(billed).toBeGreaterThan(capNanoUsd / 4);
    expect(billed).toBeLessThanOrEqual(capNanoUsd);
    expect(totals.costNanoUsd + totals.unconfirmedNanoUsd).toBeLessThanOrEqual(capNanoUsd);
    expect(totals.costNanoUsd).toBe(billedNanoUsd(settledCalls, price));
    expect(calls.length).toBeGreaterThanOrEqual(outcomes['answered'] ?? 0);
    expect(outcomes['refused']).toBeGreaterThan(0);
    expect(disagreements(rows, calls)).toEqual([]);
  } finally {
    await service.stop();
  }
}
