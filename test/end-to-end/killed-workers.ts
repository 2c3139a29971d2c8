import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { conversationWorkflowId } from '../../src/contract/names';
import { seededRandom } from '../../src/domain/random';
import { countBy, disagreements } from '../support/audit';
import { prepareAuditedService } from '../support/audited-service';
import { eventually } from '../support/eventually';
import { timeoutsOf } from '../support/history-timeouts';
import { fallbackModel, primaryModel } from '../support/service';
import { startOwnTemporal, unique } from '../support/temporal';
import type { WorkerProcess } from '../support/worker-process';

export interface KillPlan {
  /** Three for each session: the first opens its conversation, the others find it open. */
  readonly turnCount: number;
  readonly callerCount: number;
  /** Then it ends: a turn that every kill hits has waited for a task's timeout each time. */
  readonly mostWorkerKills: number;
  /** As for `startOwnTemporal`. */
  readonly workflowTaskTimeoutSeconds?: number;
}

const seed = 'kills';
/** Until a killed worker's successor polls, so that there is always one that works. */
const pauseBetweenKillsMs = [1_000, 3_000] as const;

/** Each turn is answered once and accounted for, though workers and, half way, the Temporal server are killed. */
export async function surviveKills(plan: KillPlan): Promise<void> {
  const { turnCount, callerCount, mostWorkerKills, workflowTaskTimeoutSeconds } = plan;
  const sessionCount = turnCount / 3;
  const directory = mkdtempSync(join(tmpdir(), 'bellwether-kills-'));
  const dataFile = join(directory, 'temporal.db');
  let server = await startOwnTemporal({ dataFile, workflowTaskTimeoutSeconds });
  const service = await prepareAuditedService({
    temporal: server,
    models: { [primaryModel]: { latency: { kind: 'fixed', ms: 700 } }, [fallbackModel]: {} },
  });
  const random = seededRandom(seed);
  const over = new AbortController();
  let workerKills = 0;
  let serverKills = 0;
  const endings: Promise<void>[] = [];
  try {
    const workers: (WorkerProcess | undefined)[] = await Promise.all([service.addWorker(), service.addWorker()]);
    const killWorkers = async (): Promise<void> => {
      while (!over.signal.aborted && workerKills < mostWorkerKills) {
        const [least, most] = pauseBetweenKillsMs;
        await sleep(least + random() * (most - least));
        if (over.signal.aborted) return;
        const index = Math.floor(random() * workers.length);
        await workers[index]?.kill();
        workerKills += 1;
        // One that finds no server gives up, and the next one is started, as whatever supervises workers would.
        await eventually(
          'a worker polls',
          async () => {
            workers[index] = await service.addWorker().catch(() => undefined);
            return workers[index] !== undefined;
          },
          120_000,
        );
      }
    };
    const killServer = async (): Promise<void> => {
      while (!over.signal.aborted && service.calls().length < turnCount / 2) await sleep(50);
      if (over.signal.aborted) return;
      await server.kill();
      serverKills += 1;
      const port = Number(server.address.split(':')[1]);
      server = await startOwnTemporal({ dataFile, port, workflowTaskTimeoutSeconds });
    };
    endings.push(killWorkers(), killServer());

    const run = unique('kills');
    const sessionOf = (turn: number) => `${run}-session-${turn % sessionCount}`;
    const waits = new Map<number, number>();
    const startedAtMs = performance.now();
    let next = 0;
    const caller = async (): Promise<void> => {
      for (let turn = next++; turn < turnCount; turn = next++) {
        const id = `${run}-${turn}`;
        const sessionId = sessionOf(turn);
        const sentAtMs = performance.now();
        const reply = await service.client.send({ sessionId, turnId: id, content: `Hello [ref:${id}]` });
        expect(reply).toMatchObject({ success: true, content: expect.stringContaining(`[ref:${id}]`) as string });
        waits.set(turn, performance.now() - sentAtMs);
      }
    };
    await Promise.all(Array.from({ length: callerCount }, caller));
    const tookMs = performance.now() - startedAtMs;
    over.abort();
    await Promise.all(endings);

    const rows = await service.ledger.attempts();
    const calls = service.calls();
    const [slowest, longestMs] = [...waits].reduce((a, b) => (b[1] > a[1] ? b : a));
    process.stdout.write(
      `Kills: ${turnCount} turns in ${(tookMs / 1000).toFixed(0)} s, ${workerKills} workers and 1 server killed: ` +
        `${waits.size} answers, ${calls.length} calls, rows ${JSON.stringify(countBy(rows, (row) => row.state))}, ` +
        `longest wait ${(longestMs / 1000).toFixed(1)} s (${await timeoutsOf(service.temporal, conversationWorkflowId(sessionOf(slowest)))})\n`,
    );
    expect(waits.size).toBe(turnCount);
    expect(workerKills).toBeGreaterThan(0);
    expect(serverKills).toBe(1);
    expect(disagreements(rows, calls)).toEqual([]);
  } finally {
    over.abort();
    await Promise.allSettled(endings);
    await service.stop();
    await server.stop();
    await rm(directory, { recursive: true });
  }
}
