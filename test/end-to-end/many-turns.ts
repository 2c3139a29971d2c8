import type { Client } from '@temporalio/client';
import { conversationWorkflowId } from '../../src/contract/names';
import { limits } from '../../src/contract/limits';
import { QueueFullError } from '../../src/client/errors';
import type { ChatReply } from '../../src/contract/chat';
import { startService } from '../support/service';
import { startOwnTemporal, unique } from '../support/temporal';

/** A conversation of so many turns goes through continue-as-new without losing or repeating one. */
export async function converse(turnCount: number, historyEventsPerRun?: number): Promise<void> {
  const temporal = await startOwnTemporal({ historyEventsPerRun });
  // Money is not the subject here: the guide's $0.50 would end this session long before.
  const service = await startService({ temporal, configuration: { budgets: { sessionUsd: 50 } } });
  try {
    const sessionId = unique('long');
    const turnIds = Array.from({ length: turnCount }, (_, index) => `${sessionId}-${index}`);
    const replies: ChatReply[] = [];

    let next = 0;
    async function sendTheRest(): Promise<void> {
      for (let turnId = turnIds[next++]; turnId !== undefined; turnId = turnIds[next++]) {
        replies.push(await sendUntilTaken(turnId));
      }
    }
    async function sendUntilTaken(turnId: string): Promise<ChatReply> {
      try {
        return await service.client.send({ sessionId, turnId, content: `Where is my order? [ref:${turnId}]` });
      } catch (error) {
        if (error instanceof QueueFullError) return sendUntilTaken(turnId);
        throw error;
      }
    }
    await Promise.all(Array.from({ length: limits.maxQueuedTurns / 2 }, sendTheRest));

    expect(replies).toHaveLength(turnCount);
    for (const reply of replies) expect(reply.content).toContain(`[ref:${reply.turn_id}]`);
    const calls = (await service.simulator.calls()).map((call) => call.requestId);
    expect(calls.toSorted()).toEqual(turnIds.map((turnId) => `${turnId}.1`).toSorted());
    await expect(service.client.spend(sessionId)).resolves.toMatchObject({ turns: turnCount });
    await expect(service.client.transcript(sessionId)).resolves.toMatchObject({
      olderTurns: turnCount - limits.maxTranscriptTurns,
    });

    const runs = await runsOf(service.temporal, sessionId);
    expect(runs).toBeGreaterThan(2);
    process.stdout.write(`${turnCount} turns of one session: ${calls.length} calls, ${runs} runs of the workflow\n`);
  } finally {
    await service.stop();
    await temporal.stop();
  }
}

/** Counted backwards along the chain, which needs no visibility store that lags behind. */
async function runsOf(temporal: Client, sessionId: string): Promise<number> {
  let runs = 0;
  for (let runId: string | undefined; runs === 0 || runId; runs += 1) {
    const history = await temporal.workflow.getHandle(conversationWorkflowId(sessionId), runId).fetchHistory();
    runId = history.events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId ?? undefined;
  }
  return runs;
}
