import type { ChatReply } from '../../src/contract/chat';
import { countBy, disagreements } from '../support/audit';
import { prepareAuditedService } from '../support/audited-service';
import { fallbackModel, primaryModel } from '../support/service';
import { unique } from '../support/temporal';

const turnCount = 600;
const callerCount = 64;
const latencyMs = 200;

test('600 turns of 64 callers buy one call each, and each is one row of the ledger', async () => {
  const service = await prepareAuditedService({
    models: { [primaryModel]: { latency: { kind: 'fixed', ms: latencyMs } }, [fallbackModel]: {} },
  });
  try {
    await service.addWorker();
    const run = unique('one-call');
    const turnIds = Array.from({ length: turnCount }, (_, turn) => `${run}-${turn}`);
    const replies: ChatReply[] = [];
    let next = 0;
    const caller = async (): Promise<void> => {
      for (let turnId = turnIds[next++]; turnId !== undefined; turnId = turnIds[next++]) {
        const content = `Hello [ref:${turnId}]`;
        replies.push(await service.client.send({ sessionId: turnId, turnId, content }));
      }
    };
    const startedAtMs = performance.now();
    await Promise.all(Array.from({ length: callerCount }, caller));
    const tookMs = performance.now() - startedAtMs;

    expect(replies).toHaveLength(turnCount);
    for (const reply of replies) expect(reply.content).toContain(`[ref:${reply.turn_id}]`);
    const calls = service.calls();
    const rows = await service.ledger.attempts();
    expect(calls.map((call) => String(call.requestId)).toSorted()).toEqual(
      turnIds.map((turnId) => `${turnId}.1`).toSorted(),
    );
    expect(rows).toHaveLength(turnCount);
    expect(countBy(rows, (row) => row.state)).toEqual({ settled: turnCount });
    expect(disagreements(rows, calls)).toEqual([]);
    process.stdout.write(
      `One call per turn: ${turnCount} turns, ${callerCount} callers, ${latencyMs} ms a call, one worker: ` +
        `${calls.length} calls, ${rows.length} rows, ${(turnCount / (tookMs / 1000)).toFixed(0)} turns/s\n`,
    );
  } finally {
    await service.stop();
  }
}, 300_000);
