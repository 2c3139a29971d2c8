import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { canaryRolloutWorkflowType, rolloutWorkflowId } from '../../src/contract/names';
import type { Ledger } from '../../src/contract/ledger';
import type { RolloutEntry, RolloutSpec, RolloutState } from '../../src/contract/rollout';
import type { UserEvidence } from '../../src/contract/user-evidence';
import { findWrongDecision } from '../../src/domain/rollout/verify';
import { openLedger } from '../../src/ledger/open-ledger';
import { hourMs } from '../domain/rollout/given';
import { closed, provenByUsers, tally } from '../domain/rollout/given-users';
import { rolloutSpec } from '../support/rollout-spec';
import { unique, workflowBundle } from '../support/temporal';
import { startTimeSkipping } from '../support/time-skipping';
import { rolloutResult } from '../support/rollout-result';

let environment: TestWorkflowEnvironment;
let ledger: Ledger;
let directory: string;
beforeAll(async () => {
  environment = await startTimeSkipping();
});
afterAll(() => environment.teardown());
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bellwether-ledger-'));
  ledger = await openLedger({ dataDirectory: directory });
});
afterEach(async () => {
  await ledger.close();
  rmSync(directory, { recursive: true });
});

interface Night {
  readonly handle: WorkflowHandle;
  /** Until between two analyses, so many hours after the start. */
  readonly sleepUntil: (hours: number) => Promise<void>;
  readonly state: () => Promise<RolloutState>;
}

/** Runs a rollout of 72 hours in virtual time. All speaks for the canary, save for what `seenAt` changes at an hour. */
async function throughTheNight(
  seenAt: (hours: number, atMs: number) => Partial<UserEvidence>,
  operate: (night: Night) => Promise<void>,
): Promise<RolloutSpec> {
  const spec = rolloutSpec({ rule: 2, intervalMs: hourMs });
  const taskQueue = unique('night');
  let startedAtMs = 0;
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue,
    workflowBundle: workflowBundle(),
    activities: {
      measureBaseline: () => ({ callMs: 400, firstTokenMs: 100 }),
      observeUsers: async () => {
        const atMs = await environment.currentTimeMs();
        return provenByUsers(await stateOf(spec), atMs, seenAt((atMs - startedAtMs) / hourMs, atMs));
      },
      recordRollout: (entry: RolloutEntry) => {
        startedAtMs = entry.decision.next.startedAtMs;
        return ledger.rollouts.record(entry, 'legacy');
      },
    },
  });
  await worker.runUntil(async () => {
    const handle = await environment.client.workflow.start(canaryRolloutWorkflowType, {
      taskQueue,
      workflowId: rolloutWorkflowId(spec.name),
      args: [{ spec }],
    });
    await handle.executeUpdate('begun');
    const sleepUntil = async (hours: number): Promise<void> => {
      await environment.sleep(startedAtMs + (hours + 0.5) * hourMs - (await environment.currentTimeMs()));
    };
    await operate({ handle, sleepUntil, state: () => stateOf(spec) });
  });
  expect(findWrongDecision(await ledger.rollouts.auditTrail(spec.name))).toBeNull();
  return spec;
}

async function stateOf({ name }: RolloutSpec): Promise<RolloutState> {
  const row = await ledger.rollouts.lastAuditRow(name);
  return (JSON.parse(row?.entry ?? '') as RolloutEntry).decision.next;
}

async function eventsOf({ name }: RolloutSpec): Promise<string[]> {
  const trail = await ledger.rollouts.auditTrail(name);
  return trail.filter(({ action }) => action !== 'wait').map(({ action, actor }) => `${action} by ${actor}`);
}

const advance = 'advance by bellwether';

test('a pause beyond the end of the plan gives its time back: what is resumed is not held', async () => {
  const spec = await throughTheNight(
    (hours) => (hours < 90 ? { closed: closed(100, 0) } : {}),
    async ({ handle, sleepUntil, state }) => {
      await sleepUntil(20);
      await handle.executeUpdate('pause', { args: [{ actor: 'ann' }] });
      await sleepUntil(85);
      await handle.executeUpdate('resume', { args: [{ actor: 'ann' }] });
      await sleepUntil(88);
      expect(await state()).toMatchObject({ phase: 'Progressing', percent: 10 });
      await handle.result();
    },
  );
  expect(await eventsOf(spec)).toEqual([
    'start by test',
    'pause by ann',
    'resume by ann',
    ...Array<string>(4).fill(advance),
    'finish by bellwether',
  ]);
});

test('a quiet night at the end of the plan does not hold what is proven: it waits for the next request', async () => {
  const spec = await throughTheNight(
    (hours, atMs) => (hours >= 70 && hours < 78 ? { newestCanaryAtMs: atMs - 5 * hourMs } : {}),
    async ({ handle, sleepUntil, state }) => {
      await sleepUntil(76);
      expect(await state()).toMatchObject({ phase: 'Progressing', percent: 75 });
      await sleepUntil(80);
      expect(await state()).toMatchObject({ phase: 'Promoting', percent: 100 });
      await handle.result();
    },
  );
  expect(await eventsOf(spec)).toEqual(['start by test', ...Array<string>(4).fill(advance), 'finish by bellwether']);
});

test('a canary that breaks at 100% does not finish, and can be rolled back after the warm time', async () => {
  const failing = tally(10_000, { firstCallFaults: 3_000, faultyUsers: 3_000, successes: 7_000, faults: 3_000 });
  const spec = await throughTheNight(
    (hours) => (hours >= 80 ? { canary: failing } : {}),
    async ({ handle, sleepUntil, state }) => {
      await sleepUntil(110);
      expect(await state()).toMatchObject({ phase: 'Promoting', percent: 100, endedAtMs: null });
      await handle.executeUpdate('rollback', { args: [{ actor: 'ann' }] });
      expect(await rolloutResult(handle)).toMatchObject({ phase: 'RolledBack' });
    },
  );
  expect(await eventsOf(spec)).toEqual(['start by test', ...Array<string>(4).fill(advance), 'roll-back by ann']);
  expect(await ledger.rollouts.split()).toMatchObject({ percent: 0, active: false });
});
