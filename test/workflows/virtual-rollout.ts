import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { ApplicationFailure } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import { rolloutWorkflowId, rolloutWorkflowType, statusQuery } from '../../src/contract/names';
import type { RolloutEntry, RolloutResult, RolloutSpec, RolloutStatus } from '../../src/contract/rollout';
import type { UserEvidence, UserEvidenceRequest } from '../../src/contract/user-evidence';
import type { EvidenceRequest } from '../../src/contract/rollout-ledger';
import type { Ledger } from '../../src/contract/ledger';
import { openLedger } from '../../src/ledger/open-ledger';
import { rolloutSpec } from '../support/rollout-spec';
import { startTimeSkipping } from '../support/time-skipping';
import { unique, workflowBundle } from '../support/temporal';
import { VirtualTraffic, type TrafficRates } from '../support/virtual-traffic';
import { rolloutResult } from '../support/rollout-result';

const hourMs = 60 * 60 * 1000;
export const goodCanary: TrafficRates = {
  requestsPerHour: 5_000,
  canarySuccessRate: 0.997,
  baselineSuccessRate: 0.85,
  seed: 'a good canary',
};

/** One rollout in virtual time: the workflow and the ledger are real, the traffic is counted out by a generator. */
export class VirtualRollout {
  /** When virtual time is within one of these, hours since the start, the evidence cannot be read. */
  outages: { readonly fromHours: number; readonly toHours: number }[] = [];
  /** How far the clock of the ledger's database is behind Temporal's. */
  ledgerBehindMs = 0;
  readonly taskQueue = unique('72-hours');
  /** Hours since the start in, what a rollout under rule 2 sees out. */
  users: (hours: number, request: UserEvidenceRequest) => Promise<UserEvidence> = () => {
    throw new Error('Set what is seen of the users.');
  };
  private startedAtMs = 0;

  private constructor(
    readonly environment: TestWorkflowEnvironment,
    private readonly directory: string,
    readonly ledger: Ledger,
    readonly spec: RolloutSpec,
    private readonly traffic: VirtualTraffic,
  ) {}

  static async create(
    environment: TestWorkflowEnvironment,
    rates: TrafficRates,
    changes: Partial<RolloutSpec> = {},
  ): Promise<VirtualRollout> {
    const directory = mkdtempSync(join(tmpdir(), 'bellwether-ledger-'));
    const ledger = await openLedger({ dataDirectory: directory });
    const spec = rolloutSpec({ intervalMs: hourMs, ...changes });
    const patient = { ...spec, gates: { ...spec.gates, freshnessMs: 2 * spec.intervalMs } };
    return new VirtualRollout(environment, directory, ledger, patient, new VirtualTraffic(rates));
  }

  worker(): Promise<Worker> {
    return Worker.create({
      connection: this.environment.nativeConnection,
      taskQueue: this.taskQueue,
      workflowBundle: workflowBundle(),
      activities: {
        observeRollout: async ({ bake }: EvidenceRequest) => {
          const atMs = await this.environment.currentTimeMs();
          const hours = (atMs - this.startedAtMs) / hourMs;
          if (this.outages.some(({ fromHours, toHours }) => fromHours <= hours && hours < toHours)) {
            throw ApplicationFailure.nonRetryable('The telemetry is down.');
          }
          const split = await this.ledger.rollouts.split();
          const evidence = this.traffic.evidence(bake, split?.percent ?? 0, atMs);
          const { newestCanaryAtMs } = evidence;
          const behindMs = this.ledgerBehindMs;
          return {
            ...evidence,
            atMs: atMs - behindMs,
            newestCanaryAtMs: newestCanaryAtMs === null ? null : newestCanaryAtMs - behindMs,
          };
        },
        measureBaseline: () => ({ callMs: 400, firstTokenMs: 100 }),
        observeUsers: async (request: UserEvidenceRequest) => {
          const atMs = await this.environment.currentTimeMs();
          return { ...(await this.users((atMs - this.startedAtMs) / hourMs, request)), atMs, newestCanaryAtMs: atMs };
        },
        recordRollout: (entry: RolloutEntry) => {
          this.startedAtMs = entry.decision.next.startedAtMs;
          return this.ledger.rollouts.record(entry, 'legacy');
        },
      },
    });
  }

  start() {
    return this.environment.client.workflow.start(rolloutWorkflowType(this.spec), {
      taskQueue: this.taskQueue,
      workflowId: rolloutWorkflowId(this.spec.name),
      args: [{ spec: this.spec }],
    });
  }

  get handle() {
    return this.environment.client.workflow.getHandle(rolloutWorkflowId(this.spec.name));
  }

  status(): Promise<RolloutStatus> {
    return this.handle.query<RolloutStatus>(statusQuery);
  }

  async close(): Promise<void> {
    await this.ledger.close();
    rmSync(this.directory, { recursive: true });
  }
}

/**
 * Gives a file's tests virtual time, and each a rollout in it, which ends with the test. The clock goes on from test to
 * test. Tests sleep until between two analyses: the server's clock can hang when a workflow is disturbed in the middle of
 * a task.
 */
export function virtualRollouts(): (rates: TrafficRates, changes?: Partial<RolloutSpec>) => Promise<VirtualRollout> {
  let environment: TestWorkflowEnvironment;
  let rollout: VirtualRollout;
  beforeAll(async () => {
    environment = await startTimeSkipping();
  });
  afterEach(() => rollout.close());
  afterAll(() => environment.teardown());
  return async (rates, changes) => (rollout = await VirtualRollout.create(environment, rates, changes));
}

/** Percent and hours since the start of every split that was set; a decision takes real milliseconds, or seconds. */
export function steps({ reached }: Pick<RolloutResult, 'reached'>): [percent: number, hours: number][] {
  const startedAtMs = reached[0]?.startedAtMs ?? 0;
  return reached.map((step) => {
    const ms = step.startedAtMs - startedAtMs;
    const hours = Math.round(ms / hourMs);
    expect(Math.abs(ms - hours * hourMs)).toBeLessThan(hourMs / 10);
    return [step.percent, hours];
  });
}

export const asPlanned = [
  [10, 0],
  [25, 18],
  [50, 30],
  [75, 60],
  [100, 72],
];

/** While the telemetry is down nothing advances, and every analysis says so. */
export async function expectBlindHours(
  rollout: VirtualRollout,
  outage: { readonly fromHours: number; readonly toHours: number },
  expected: readonly (readonly [percent: number, hours: number])[],
): Promise<void> {
  rollout.outages = [outage];
  const worker = await rollout.worker();
  const result = await worker.runUntil(async () => rolloutResult(await rollout.start()));
  expect(steps(result)).toEqual(expected);
  const blind = (await rollout.ledger.rollouts.auditTrail(rollout.spec.name)).filter((row) =>
    row.reason.startsWith('The evidence could not be read'),
  );
  expect(blind).toHaveLength(outage.toHours - outage.fromHours);
}
