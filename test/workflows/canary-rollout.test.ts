import type { WorkflowHandle } from '@temporalio/client';
import { openSqliteFile } from '../../src/platform/better-sqlite3';
import { searchAttributeNames } from '../../src/contract/names';
import { sqliteFile } from '../../src/ledger/sqlite';
import { eventually } from '../support/eventually';
import { eachTestWithRollouts } from '../support/rollout-hooks';
import { rolloutResult } from '../support/rollout-result';
import { shortRolloutSpec, unhurriedRolloutSpec } from '../support/rollout-spec';

const rollouts = eachTestWithRollouts();
const hourMs = 60 * 60 * 1000;

test('goes from its first split to 100% by itself, and ends when the baseline need not be kept warm', async () => {
  const spec = shortRolloutSpec();
  const handle = await rollouts.beginWithEvidence(spec);
  const { phase, reached } = await rolloutResult(handle);
  expect({ phase, percents: reached.map(({ percent }) => percent) }).toEqual({
    phase: 'Succeeded',
    percents: [50, 100],
  });
  expect(await rollouts.eventsOf(spec)).toEqual(['start by test', 'advance by bellwether', 'finish by bellwether']);
  expect(await rollouts.service.auditProblem()).toBeNull();
});

test('waits for a ledger that is away, and loses no command meanwhile', async () => {
  const spec = unhurriedRolloutSpec({ intervalMs: hourMs });
  const handle = await rollouts.begin(spec);
  const lock = openSqliteFile(sqliteFile(rollouts.service.settings.dataDirectory));
  lock.exec('BEGIN EXCLUSIVE');
  let isAnswered = false;
  const pausing = rollouts.service.rollouts
    .command(spec.name, 'pause', { actor: 'ann' })
    .finally(() => (isAnswered = true));
  await eventually('a worker tries to record it', async () => {
    const { raw } = await handle.describe();
    return (raw.pendingActivities ?? []).some(({ activityType }) => activityType?.name === 'recordRollout');
  });
  expect(await rollouts.eventsOf(spec)).toEqual(['start by test']);
  expect(isAnswered).toBe(false);
  lock.exec('COMMIT');
  lock.close();
  expect(await pausing).toMatchObject({ accepted: true });
  expect(await rollouts.eventsOf(spec)).toEqual(['start by test', 'pause by ann']);
});

test('records each decision once, though its worker fails after it has recorded it', async () => {
  const spec = shortRolloutSpec();
  let isFirstTry = true;
  rollouts.interference.after = (step) => {
    if (step !== 'record') return;
    isFirstTry = !isFirstTry;
    if (!isFirstTry) throw new Error('The worker lost its connection.');
  };
  const handle = await rollouts.beginWithEvidence(spec);
  expect(await rolloutResult(handle)).toMatchObject({ phase: 'Succeeded' });
  expect(await rollouts.eventsOf(spec)).toEqual(['start by test', 'advance by bellwether', 'finish by bellwether']);
  expect(await rollouts.service.auditProblem()).toBeNull();
});

test('shows operators where it is, why, and what it saw', async () => {
  const spec = unhurriedRolloutSpec();
  const handle = await rollouts.beginWithEvidence(spec);
  await eventually('an analysis saw the turns', async () => {
    const { lastAnalysis } = await rollouts.service.rollouts.status(spec.name);
    return lastAnalysis?.evidence?.canary.turns !== undefined && lastAnalysis.evidence.canary.turns > 0;
  });
  const { state, nextAnalysisAtMs } = await rollouts.service.rollouts.status(spec.name);
  expect(state).toMatchObject({ phase: 'Progressing', percent: 50, step: 0 });
  expect((nextAnalysisAtMs ?? 0) - state.startedAtMs).toBeGreaterThan(0);
  expect(((nextAnalysisAtMs ?? 0) - state.startedAtMs) % spec.intervalMs).toBe(0);
  const details = await currentDetails(handle);
  expect(details).toContain('**Progressing** at 50% on holysheep, step 1 of 1');
  expect(details).toMatch(/\| 50% \| .* \| test started the rollout from legacy to holysheep at 50%\. \|/);
  await rollouts.service.rollouts.command(spec.name, 'pause', { actor: 'ann', reason: 'lunch' });
  expect(await currentDetails(handle)).toContain('ann paused it ("lunch").');
  await eventually('the server lists it', async () => {
    const { searchAttributes } = await handle.describe();
    return searchAttributes[searchAttributeNames.state]?.[0] === 'Paused';
  });
  await rollouts.service.rollouts.command(spec.name, 'rollback', { actor: 'ann' });
  expect((await rollouts.service.rollouts.status(spec.name)).nextAnalysisAtMs).toBeNull();
});

/** What the Temporal UI shows as "current details". */
async function currentDetails(handle: WorkflowHandle): Promise<string> {
  const { currentDetails: details = '' } = await handle.query<{ readonly currentDetails?: string }>(
    '__temporal_workflow_metadata',
  );
  return details;
}
