import type { WorkflowHandle } from '@temporalio/client';
import { RolloutRefusedError } from '../../src/client/errors';
import { eventually } from '../support/eventually';
import { eachTestWithRollouts, untilAccepted } from '../support/rollout-hooks';
import { rolloutResult } from '../support/rollout-result';
import { unhurriedRolloutSpec } from '../support/rollout-spec';

const rollouts = eachTestWithRollouts();
const hourMs = 60 * 60 * 1000;

test('rolls back at once while the evidence is still being read', async () => {
  const spec = unhurriedRolloutSpec();
  const { arrived } = rollouts.stopBefore('evidence');
  await rollouts.begin(spec);
  await arrived;
  const answer = await rollouts.service.rollouts.command(spec.name, 'rollback', { actor: 'ann' });
  expect(answer).toMatchObject({ accepted: true, state: { phase: 'RolledBack' } });
  expect(await rollouts.service.ledger.rollouts.split()).toMatchObject({ percent: 0, active: false });
});

test('rolls back before a forced promotion that still reads the evidence', async () => {
  const spec = unhurriedRolloutSpec({ intervalMs: hourMs });
  await rollouts.begin(spec);
  const { arrived } = rollouts.stopBefore('evidence');
  const { rollouts: operator } = rollouts.service;
  const promoting = operator.command(spec.name, 'promote', { actor: 'ann', force: true, reason: 'I know' });
  await arrived;
  await operator.command(spec.name, 'rollback', { actor: 'bob' });
  // Nor does the refusal wait for the evidence, which is still not there.
  expect(await promoting).toMatchObject({ accepted: false, state: { phase: 'RolledBack', percent: 0 } });
  expect(await rollouts.eventsOf(spec)).toEqual(['start by test', 'roll-back by bob', 'refuse by ann']);
});

test('refuses what was sent before a rollback and is still waiting, after it', async () => {
  const spec = unhurriedRolloutSpec();
  const handle = await rollouts.begin(spec);
  const { arrived, goOn } = rollouts.stopBefore('record');
  await arrived;
  const { rollouts: operator } = rollouts.service;
  const others = (['pause', 'promote', 'resume'] as const).map((name) =>
    operator.command(spec.name, name, { actor: 'ann', reason: 'first' }),
  );
  await untilAccepted(handle, 1 + others.length);
  const rollback = operator.command(spec.name, 'rollback', { actor: 'bob' });
  await untilAccepted(handle, 2 + others.length);
  goOn();
  expect(await rollback).toMatchObject({ accepted: true });
  for (const answer of await Promise.all(others)) {
    expect(answer).toMatchObject({
      accepted: false,
      reason: expect.stringContaining('The rollout has ended') as string,
    });
  }
  expect(await rolloutResult(handle)).toMatchObject({ phase: 'RolledBack' });
  expect(await rollouts.eventsOf(spec)).toEqual([
    'start by test',
    'roll-back by bob',
    ...Array<string>(3).fill('refuse by ann'),
  ]);
});

test('rolls back when its workflow is cancelled, and still answers who waits', async () => {
  const spec = unhurriedRolloutSpec();
  const handle = await rollouts.begin(spec);
  const { arrived, goOn } = rollouts.stopBefore('record');
  await arrived;
  const pausing = rollouts.service.rollouts.command(spec.name, 'pause', { actor: 'ann' });
  await untilAccepted(handle, 2);
  await handle.cancel();
  await untilTold(handle);
  goOn();
  expect(await pausing).toMatchObject({ accepted: false, state: { phase: 'RolledBack' } });
  expect(await rolloutResult(handle)).toMatchObject({
    phase: 'RolledBack',
    reason: 'a cancellation of the workflow rolled back.',
  });
  expect(await rollouts.service.ledger.rollouts.split()).toMatchObject({ percent: 0, active: false });
  expect(await rollouts.service.auditProblem()).toBeNull();
});

/** Until the workflow has heard of the cancellation. */
function untilTold(handle: WorkflowHandle): Promise<void> {
  return eventually('a workflow task saw the cancellation', async () => {
    const events = (await handle.fetchHistory()).events ?? [];
    const cancelled = events.findIndex((event) => event.workflowExecutionCancelRequestedEventAttributes);
    return cancelled >= 0 && events.slice(cancelled).some((event) => event.workflowTaskCompletedEventAttributes);
  });
}

test('rolls back when its workflow is cancelled before it has begun', async () => {
  const spec = unhurriedRolloutSpec();
  const { arrived, goOn } = rollouts.stopBefore('record');
  const starting = rollouts.service.rollouts.start(spec);
  await arrived;
  await rollouts.handleOf(spec).cancel();
  goOn();
  expect(await starting).toMatchObject({ spec });
  expect(await rolloutResult(rollouts.handleOf(spec))).toMatchObject({ phase: 'RolledBack' });
});

test('ends with the reason when another rollout took over, and tells it to all who wait', async () => {
  const spec = unhurriedRolloutSpec({ intervalMs: hourMs });
  const handle = await rollouts.begin(spec);
  const { rollouts: operator, ledger } = rollouts.service;
  const { arrived, goOn } = rollouts.stopBefore('evidence');
  const promoting = operator.command(spec.name, 'promote', { actor: 'ann' });
  await arrived;
  const pausing = operator.command(spec.name, 'pause', { actor: 'bob' });
  await untilAccepted(handle, 3);
  const other = unhurriedRolloutSpec({ takeOver: true, intervalMs: hourMs });
  await operator.start(other);
  const refusals = Promise.all([promoting, pausing].map((asking) => asking.catch((error: unknown) => error)));
  goOn();
  const message = `Rollout ${spec.name} can no longer move traffic: rollout ${other.name} has taken it over.`;
  for (const refusal of await refusals) {
    expect(refusal).toBeInstanceOf(RolloutRefusedError);
    expect(refusal).toMatchObject({ message });
  }
  await expect(handle.result()).rejects.toMatchObject({ cause: { type: 'RolloutRefused', message } });
  expect(await rollouts.eventsOf(spec)).toEqual(['start by test']);
  expect(await ledger.rollouts.split()).toMatchObject({ rollout: other.name, percent: 50, active: true });
});
