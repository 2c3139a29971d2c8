import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { ApplicationFailure } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import { canaryRolloutWorkflowType, rolloutWorkflowId, statusQuery } from '../../src/contract/names';
import type { RolloutEntry, RolloutResult, RolloutSpec, RolloutStatus } from '../../src/contract/rollout';
import type { EvidenceRequest } from '../../src/contract/rollout-ledger';
import type { Ledger } from '../../src/contract/ledger';
import { openLedger } from '../../src/ledger/open-ledger';
import { rolloutSpec } from '../support/rollout-spec';
import { startTimeSkipping } from '../support/time-skipping';
import { unique, workflowBundle } from '../support/temporal';
import { VirtualTraffic, type TrafficRates } from '../support/virtual-traffic';

/** Each test takes some hundred decisions. */
jest.setTimeout(180_000);

const hourMs = 60 * 60 * 1000;
const good: TrafficRates = {
  requestsPerHour: 5_000,
  canarySuccessRate: 0.997,
  baselineSuccessRate: 0.85,
  seed: 'a good canary',
};

/** Its clock goes on from test to test, each of which is over before the next one begins. */
let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startTimeSkipping();
});
afterAll(() => environment.teardown());

/** One rollout in virtual time: the workflow and the ledger are real, the traffic is counted out by a generator. */
class World {
  readonly directory = mkdtempSync(join(tmpdir(), 'bellwether-rollout-'));
  /** When virtual time is within one of these, hours since the start, the evidence cannot be read. */
  outages: { readonly fromHours: number; readonly toHours: number }[] = [];
  readonly taskQueue = unique('72-hours');
  private startedAtMs = 0;

  private constructor(
    readonly ledger: Ledger,
    readonly spec: RolloutSpec,
    private readonly traffic: VirtualTraffic,
  ) {}

  static async create(rates: TrafficRates): Promise<World> {
    const directory = mkdtempSync(join(tmpdir(), 'bellwether-ledger-'));
    const ledger = await openLedger({ dataDirectory: directory });
    const spec = rolloutSpec({ intervalMs: hourMs });
    const patient = { ...spec, gates: { ...spec.gates, freshnessMs: 2 * spec.intervalMs } };
    return new World(ledger, patient, new VirtualTraffic(rates));
  }

  worker(): Promise<Worker> {
    return Worker.create({
      connection: environment.nativeConnection,
      taskQueue: this.taskQueue,
      workflowBundle: workflowBundle(),
      activities: {
        observeRollout: async ({ bake }: EvidenceRequest) => {
          const atMs = await environment.currentTimeMs();
          const hours = (atMs - this.startedAtMs) / hourMs;
          if (this.outages.some(({ fromHours, toHours }) => fromHours <= hours && hours < toHours)) {
            throw ApplicationFailure.nonRetryable('The telemetry is down.');
          }
          const split = await this.ledger.rollouts.split();
          return this.traffic.evidence(bake, split?.percent ?? 0, atMs);
        },
        recordRollout: (entry: RolloutEntry) => {
          this.startedAtMs = entry.decision.next.startedAtMs;
          return this.ledger.rollouts.record(entry, 'legacy');
        },
      },
    });
  }

  start() {
    return environment.client.workflow.start(canaryRolloutWorkflowType, {
      taskQueue: this.taskQueue,
      workflowId: rolloutWorkflowId(this.spec.name),
      args: [{ spec: this.spec }],
    });
  }

  get handle() {
    return environment.client.workflow.getHandle(rolloutWorkflowId(this.spec.name));
  }

  status(): Promise<RolloutStatus> {
    return this.handle.query<RolloutStatus>(statusQuery);
  }

  async close(): Promise<void> {
    await this.ledger.close();
    rmSync(this.directory, { recursive: true });
  }
}

// Tests sleep until between two analyses: the server's clock can hang when a workflow is disturbed in the middle of a task.
let world: World;
afterEach(() => world.close());

/** Percent and hours since the start of every split that was set; a decision takes real milliseconds, or seconds. */
function steps({ reached }: Pick<RolloutResult, 'reached'>): [percent: number, hours: number][] {
  const startedAtMs = reached[0]?.startedAtMs ?? 0;
  return reached.map((step) => {
    const ms = step.startedAtMs - startedAtMs;
    const hours = Math.round(ms / hourMs);
    expect(Math.abs(ms - hours * hourMs)).toBeLessThan(hourMs / 10);
    return [step.percent, hours];
  });
}

const asPlanned = [
  [10, 0],
  [25, 18],
  [50, 30],
  [75, 60],
  [100, 72],
];

test('a canary that succeeds 99.7% of the time has all traffic after 72 hours, each step at its time', async () => {
  world = await World.create(good);
  const worker = await world.worker();
  const result = await worker.runUntil(async () => (await world.start()).result() as Promise<RolloutResult>);
  expect(result.phase).toBe('Succeeded');
  expect(steps(result)).toEqual(asPlanned);
  expect(await world.ledger.rollouts.split()).toMatchObject({ percent: 100, active: false });
  const trail = await world.ledger.rollouts.auditTrail(world.spec.name);
  expect(trail.filter(({ action }) => action === 'advance')).toHaveLength(4);
  // One row an hour until the baseline was let go, 24 hours after the last step and the milliseconds that it was late.
  const others = trail.filter(({ action }) => action === 'wait' || action === 'finish').length;
  expect([92, 93]).toContain(others);
});

test('a canary that succeeds 98% of the time never leaves 10%, and is held rather than rolled back to a worse arm', async () => {
  world = await World.create({ ...good, canarySuccessRate: 0.98, seed: 'a poor canary' });
  const worker = await world.worker();
  await worker.runUntil(async () => {
    await world.start();
    await environment.sleep('100.5 hours');
    const { state } = await world.status();
    expect(state).toMatchObject({ phase: 'Held', percent: 10 });
    expect(steps(state)).toEqual([[10, 0]]);
    await world.handle.signal('rollback', { actor: 'ann', reason: 'not good enough' });
    expect(await world.handle.result()).toMatchObject({ phase: 'RolledBack' });
  });
  expect(await world.ledger.rollouts.split()).toMatchObject({ percent: 0, active: false });
});

test('a canary that is worse than the baseline is rolled back by itself', async () => {
  world = await World.create({ ...good, canarySuccessRate: 0.5, seed: 'a bad canary' });
  const worker = await world.worker();
  const result = await worker.runUntil(async () => (await world.start()).result() as Promise<RolloutResult>);
  expect(result.phase).toBe('RolledBack');
  expect(result.reason).toContain('fails more often than legacy');
  expect(await world.ledger.rollouts.split()).toMatchObject({ percent: 0, active: false });
});

test.each([
  [
    1,
    { fromHours: 10, toHours: 40 },
    [
      [10, 0],
      [25, 40],
      [50, 46],
      [75, 60],
      [100, 72],
    ],
  ],
  [
    2,
    { fromHours: 20, toHours: 50 },
    [
      [10, 0],
      [25, 18],
      [50, 50],
      [75, 62],
      [100, 72],
    ],
  ],
  [
    3,
    { fromHours: 40, toHours: 65 },
    [
      [10, 0],
      [25, 18],
      [50, 30],
      [75, 65],
      [100, 72],
    ],
  ],
])('while the telemetry is down at step %i nothing advances', async (_step, outage, expected) => {
  world = await World.create(good);
  world.outages = [outage];
  const worker = await world.worker();
  const result = await worker.runUntil(async () => (await world.start()).result() as Promise<RolloutResult>);
  expect(steps(result)).toEqual(expected);
  const blind = (await world.ledger.rollouts.auditTrail(world.spec.name)).filter((row) =>
    row.reason.startsWith('The evidence could not be read'),
  );
  expect(blind).toHaveLength(outage.toHours - outage.fromHours);
});

test('telemetry that is down when the plan ends holds the rollout, until an operator resumes it', async () => {
  world = await World.create(good);
  world.outages = [{ fromHours: 61, toHours: 80 }];
  const worker = await world.worker();
  await worker.runUntil(async () => {
    await world.start();
    await environment.sleep('90.5 hours');
    const { state } = await world.status();
    expect(state).toMatchObject({ phase: 'Held', percent: 75 });
    await world.handle.signal('resume', { actor: 'ann', reason: 'the telemetry is back' });
    const result = (await world.handle.result()) as RolloutResult;
    expect(steps(result).slice(3)).toEqual([
      [75, 60],
      [100, 91],
    ]);
  });
});

// The server's clock stands still while a workflow task waits for a worker: so the workflow is taken away as well.
test('hours in which nobody works on the rollout cost no time and repeat no step', async () => {
  world = await World.create(good);
  const first = await world.worker();
  const carried = await first.runUntil(async () => {
    await world.start();
    await environment.sleep('35.5 hours');
    const { state, lastAnalysis } = await world.status();
    await world.handle.terminate();
    return { state, lastAnalysis };
  });
  expect(carried.state.percent).toBe(50);
  await environment.sleep('19.7 hours');

  const second = await world.worker();
  const result = await second.runUntil(
    environment.client.workflow.execute(canaryRolloutWorkflowType, {
      taskQueue: world.taskQueue,
      workflowId: rolloutWorkflowId(world.spec.name),
      args: [{ spec: world.spec, carried }],
    }) as Promise<RolloutResult>,
  );
  expect(steps(result)).toEqual(asPlanned);
  const trail = await world.ledger.rollouts.auditTrail(world.spec.name);
  expect(trail.map(({ sequence }) => sequence)).toEqual(trail.map((_row, index) => index + 1));
  // An analysis at each hour but the 20 that were missed, one that made up for them, and the start.
  const expected = 1 + 35 + 1 + (96 - 55);
  expect([expected, expected + 1]).toContain(trail.length);
});
