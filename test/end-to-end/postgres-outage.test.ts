import type { ChatReply } from '../../src/contract/chat';
import { countBy, disagreements } from '../support/audit';
import { prepareAuditedService } from '../support/audited-service';
import { eventually } from '../support/eventually';
import { describeOnPostgres } from '../support/ledgers';
import { startPostgres } from '../support/postgres';
import { fallbackModel, primaryModel } from '../support/service';
import { unique } from '../support/temporal';

const sessionCount = 12;
const turnsPerSession = 20;
const turnCount = sessionCount * turnsPerSession;

describeOnPostgres('the ledger is killed in the middle of turns', () => {
  test('all turns are answered and every call has its row', async () => {
    const postgres = await startPostgres();
    try {
      const service = await prepareAuditedService({
        models: { [primaryModel]: { latency: { kind: 'fixed', ms: 100 } }, [fallbackModel]: {} },
        environment: { DATABASE_URL: postgres.url },
      });
      try {
        await Promise.all([service.addWorker(), service.addWorker()]);
        const run = unique('outage');
        const replies: ChatReply[] = [];
        let longestMs = 0;
        const sessions = Array.from({ length: sessionCount }, async (_, session) => {
          for (let turn = 0; turn < turnsPerSession; turn += 1) {
            const turnId = `${run}-${session}-${turn}`;
            const sentAtMs = performance.now();
            const content = `Hello [ref:${turnId}]`;
            replies.push(await service.client.send({ sessionId: `${run}-${session}`, turnId, content }));
            longestMs = Math.max(longestMs, performance.now() - sentAtMs);
          }
        });
        const ended = Promise.all(sessions);
        const interrupted = interrupt();
        await Promise.all([ended, interrupted]);

        expect(replies).toHaveLength(turnCount);
        for (const reply of replies) {
          expect(reply).toMatchObject({ success: true, content: expect.stringContaining(`[ref:${reply.turn_id}]`) });
        }
        const calls = service.calls();
        const rows = await service.ledger.attempts();
        process.stdout.write(
          `PostgreSQL killed twice in ${turnCount} turns: ${replies.length} answered, ${calls.length} calls, ` +
            `rows ${JSON.stringify(countBy(rows, (row) => row.state))}, longest turn ${Math.round(longestMs)} ms\n`,
        );
        expect(disagreements(rows, calls)).toEqual([]);
        const settledTurns = rows.filter((row) => row.state === 'settled').map((row) => row.turnId);
        expect(settledTurns.toSorted()).toEqual(replies.map((reply) => reply.turn_id).toSorted());

        async function interrupt(): Promise<void> {
          for (const share of [0.25, 0.6]) {
            await eventually('turns are answered', () => replies.length >= turnCount * share, 120_000);
            await postgres.kill();
            // Not before a call was made that finds no ledger to record it in, or gave up waiting to be admitted.
            await eventually('the provider has answered all', async () => (await service.simulator.openCalls()) === 0);
            await postgres.restart();
          }
        }
      } finally {
        await service.stop();
      }
    } finally {
      await postgres.stop();
    }
  }, 300_000);
});
