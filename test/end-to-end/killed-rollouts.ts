import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { rolloutWorkflowId } from '../../src/contract/names';
import type { RolloutResult, RolloutSpec } from '../../src/contract/rollout';
import type { DevServer } from '../../src/temporal-server/dev-server';
import { seededRandom } from '../../src/domain/random';
import { eventually } from '../support/eventually';
import { prepareRolloutService, type RolloutService } from '../support/rollout-service';
import { shortRolloutSpec } from '../support/rollout-spec';
import { startOwnTemporal, testEnvironment, unique } from '../support/temporal';
import { spawnWorker, type WorkerProcess } from '../support/worker-process';

export interface RolloutKills {
  /** At the same time: whoever takes over from a killed worker waits for Temporal to give it up. */
  readonly rolloutCount: number;
  readonly workerKillsOfEach: number;
  /** Each hits all rollouts, wherever they are. */
  readonly serverKills: number;
  /** Of the first three steps of each rollout. */
  readonly stepMs: number;
  /** As for `startOwnTemporal`. */
  readonly workflowTaskTimeoutSeconds?: number;
}

const intervalMs = 2_000;
const patienceMs = 240_000;
/** A history of so few events is often continued as new, kills or not. */
const historyEventsPerRun = 60;
const seed = process.env['BELLWETHER_TEST_SEED'] ?? unique('seed');

/** What every rollout would do without a kill: three steps by the evidence, and the last by its operator. */
function planned(stepMs: number): RolloutSpec {
  const hourMs = 3_600_000;
  const ends = [stepMs, 2 * stepMs, 3 * stepMs, hourMs];
  const percents = [20, 40, 60, 80];
  const spec = shortRolloutSpec();
  return {
    ...spec,
    intervalMs,
    // Killed calls count at what they may have cost at worst: among so few, one is dearer than all others together.
    gates: { ...spec.gates, maxCostPercent: null },
    steps: percents.map((percent, index) => ({ percent, nominalEndMs: ends[index] ?? 0, minimumBakeMs: 0 })),
  };
}

/** A rollout with a ledger, two workers and users of its own. */
class Migration {
  readonly spec: RolloutSpec;
  readonly waitsMs: number[] = [];
  kills = 0;
  sent = 0;
  private readonly workers: (WorkerProcess | undefined)[] = [undefined, undefined];

  constructor(
    readonly service: RolloutService,
    private readonly random: () => number,
    private readonly plan: RolloutKills,
  ) {
    this.spec = planned(plan.stepMs);
  }

  async begin(): Promise<void> {
    await Promise.all([...this.workers.keys()].map((index) => this.replaceWorker(index)));
    await this.service.rollouts.start(this.spec);
  }

  /**
   * Within two intervals after a decision: before, in or after the next one. Never before a turn was answered
   * since the last kill: what every kill hits waits longer each time for Temporal to give it up, and nobody would be served.
   */
  async untilRandomPoint(): Promise<void> {
    const { length: answered } = this.waitsMs;
    await eventually('a turn is answered', () => this.waitsMs.length > answered, patienceMs);
    const decided = await this.sequence();
    await eventually('the next decision', async () => (await this.sequence()) > decided, patienceMs);
    await sleep(this.random() * 2 * intervalMs);
  }

  async killWorkers(): Promise<void> {
    while (this.kills < this.plan.workerKillsOfEach) {
      await this.untilRandomPoint();
      const index = Math.floor(this.random() * this.workers.length);
      await this.workers[index]?.kill();
      this.kills += 1;
      await this.replaceWorker(index);
    }
  }

  /**
   * A user after the other, each answered before the next one asks. Of these the buckets are known: in whatever row of them a
   * bake sees, so many are on each side that no chance is taken for a broken split.
   */
  async sendTurns(isOver: AbortSignal): Promise<void> {
    while (!isOver.aborted) {
      const turn = this.sent++;
      const turnId = `${this.spec.name}-${turn}`;
      const sentAtMs = performance.now();
      const messages = [{ role: 'user', content: `Hello [ref:${turnId}]` }] as const;
      const reply = await this.service.client.complete({ turnId, userId: `user-4-${turn}`, messages });
      expect(reply).toMatchObject({ success: true, content: expect.stringContaining(`[ref:${turnId}]`) as string });
      this.waitsMs.push(performance.now() - sentAtMs);
      await sleep(200);
    }
  }

  async end(): Promise<RolloutResult> {
    await eventually('80%', async () => (await this.service.ledger.rollouts.split())?.percent === 80, patienceMs);
    await eventually(
      'the promotion',
      async () => {
        const { accepted } = await this.service.rollouts.command(this.spec.name, 'promote', { actor: 'ann' });
        return accepted;
      },
      patienceMs,
    );
    const workflow = this.service.temporal.workflow.getHandle(rolloutWorkflowId(this.spec.name));
    return (await workflow.result()) as RolloutResult;
  }

  async stop(): Promise<void> {
    for (const worker of this.workers) await worker?.kill();
    await this.service.stop();
  }

  private async sequence(): Promise<number> {
    return (await this.service.ledger.rollouts.lastAuditRow(this.spec.name))?.sequence ?? 0;
  }

  /** One that finds no server gives up, and the next one is started, as whatever supervises workers would. */
  private async replaceWorker(index: number): Promise<void> {
    await eventually(
      'a worker polls',
      async () => {
        const worker = spawnWorker(this.service);
        this.workers[index] = worker;
        return worker.started.then(
          () => true,
          () => false,
        );
      },
      patienceMs,
    );
  }
}

/** Each rollout ends as planned, each step once, though its workers and the Temporal server are killed. */
export async function surviveRolloutKills(plan: RolloutKills): Promise<void> {
  const { rolloutCount, workerKillsOfEach, serverKills, workflowTaskTimeoutSeconds } = plan;
  process.stdout.write(`Rollout kills: BELLWETHER_TEST_SEED=${seed}\n`);
  const random = seededRandom(seed);
  const directory = mkdtempSync(join(tmpdir(), 'bellwether-rollout-kills-'));
  const dataFile = join(directory, 'temporal.db');
  const serverOptions = { historyEventsPerRun, workflowTaskTimeoutSeconds };
  let temporal: DevServer & { readonly namespace: string } = await startOwnTemporal({ dataFile, ...serverOptions });
  const migrations: Migration[] = [];
  const over = new AbortController();
  const startedAtMs = performance.now();
  try {
    for (let index = 0; index < rolloutCount; index += 1) {
      // A worker that remembers no workflow replays it for every task, and is missed by nobody's sticky queue.
      const service = await prepareRolloutService({
        temporal,
        environment: { [testEnvironment.workflowCache]: 'off' },
      });
      migrations.push(new Migration(service, random, plan));
    }
    await Promise.all(migrations.map((migration) => migration.begin()));
    const traffic = migrations.map((migration) => migration.sendTurns(over.signal));
    // Heard of at once when it fails.
    const trafficFailed = new Promise<never>((_, reject) => {
      for (const caller of traffic) caller.catch(reject);
    });

    const workerKills = (): number => migrations.reduce((sum, { kills }) => sum + kills, 0);
    const killServers = async (): Promise<void> => {
      for (let kill = 1; kill <= serverKills; kill += 1) {
        await migrations[kill % rolloutCount]?.untilRandomPoint();
        await temporal.kill();
        const port = Number(temporal.address.split(':')[1]);
        temporal = await startOwnTemporal({ dataFile, port, ...serverOptions });
      }
    };
    const kills = Promise.all([killServers(), ...migrations.map((migration) => migration.killWorkers())]);
    await Promise.race([kills, trafficFailed]);
    const results = await Promise.race([Promise.all(migrations.map((migration) => migration.end())), trafficFailed]);
    over.abort();
    await Promise.all(traffic);

    const waitsMs = migrations.flatMap((migration) => migration.waitsMs);
    let decisions = 0;
    for (const [index, { service, spec }] of migrations.entries()) {
      expect(results[index]).toMatchObject({
        phase: 'Succeeded',
        reached: [20, 40, 60, 80, 100].map((percent) => ({ percent })),
      });
      expect(await service.ledger.rollouts.split()).toMatchObject({ percent: 100, active: false });
      const trail = await service.ledger.rollouts.auditTrail(spec.name);
      expect(trail.map(({ sequence }) => sequence)).toEqual(trail.map((_row, place) => place + 1));
      expect(trail.filter(({ action }) => action === 'advance')).toHaveLength(4);
      expect(await service.auditProblem()).toBeNull();
      decisions += trail.length;
    }
    expect(workerKills()).toBe(rolloutCount * workerKillsOfEach);
    expect(waitsMs).toHaveLength(migrations.reduce((sum, { sent }) => sum + sent, 0));
    process.stdout.write(
      `Rollout kills: ${workerKills()} workers and ${serverKills} servers in ${((performance.now() - startedAtMs) / 1000).toFixed(0)} s, ` +
        `${decisions} decisions, ${waitsMs.length} turns answered, longest wait ${(Math.max(...waitsMs) / 1000).toFixed(1)} s\n`,
    );
  } finally {
    over.abort();
    await Promise.all(migrations.map((migration) => migration.stop()));
    await temporal.stop();
    await rm(directory, { recursive: true });
  }
}
