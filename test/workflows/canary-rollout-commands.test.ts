import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { recordRolloutActivity } from '../../src/contract/names';
import { eachTestWithRollouts } from '../support/rollout-hooks';
import { rolloutResult } from '../support/rollout-result';
import { unhurriedRolloutSpec } from '../support/rollout-spec';

const rollouts = eachTestWithRollouts();
const hourMs = 60 * 60 * 1000;

test('carries out all four commands as signals', async () => {
  const spec = unhurriedRolloutSpec();
  const handle = await rollouts.beginWithEvidence(spec);
  const events = ['start by test'];
  for (const [command, actor, event] of [
    ['pause', 'ann', 'pause by ann'],
    ['resume', 'bob', 'resume by bob'],
    ['promote', 'ann', 'advance by ann'],
    ['rollback', 'bob', 'roll-back by bob'],
  ] as const) {
    await handle.signal(command, { actor, reason: 'enough' });
    events.push(event);
    expect(await rollouts.untilEvents(spec, events.length)).toEqual(events);
  }
  expect(await rolloutResult(handle)).toMatchObject({ phase: 'RolledBack', reason: 'bob rolled back ("enough").' });
  expect(await rollouts.service.ledger.rollouts.split()).toMatchObject({ percent: 0, active: false });
});

test('answers all four commands as updates', async () => {
  const spec = unhurriedRolloutSpec();
  const handle = await rollouts.beginWithEvidence(spec);
  const ask = (command: string) => handle.executeUpdate(command, { args: [{ actor: 'ann' }] });
  expect(await ask('pause')).toMatchObject({ accepted: true, state: { phase: 'Paused', percent: 50 } });
  expect(await ask('promote')).toMatchObject({ accepted: false, state: { phase: 'Paused', percent: 50 } });
  expect(await ask('resume')).toMatchObject({ accepted: true, state: { phase: 'Progressing' } });
  expect(await ask('promote')).toMatchObject({ accepted: true, state: { phase: 'Promoting', percent: 100 } });
  expect(await ask('rollback')).toMatchObject({ accepted: true, state: { phase: 'RolledBack', percent: 0 } });
  expect(await rollouts.eventsOf(spec)).toEqual([
    'start by test',
    'pause by ann',
    'refuse by ann',
    'resume by ann',
    'advance by ann',
    'roll-back by ann',
  ]);
});

test('moves by one step when two operators promote what both saw at the same time', async () => {
  const spec = unhurriedRolloutSpec({
    steps: [20, 50, 80].map((percent, index) => ({ percent, nominalEndMs: (index + 1) * hourMs, minimumBakeMs: 0 })),
  });
  await rollouts.begin(spec);
  const force = (actor: string) =>
    rollouts.service.rollouts.command(spec.name, 'promote', { actor, reason: 'I know', force: true, seenPercent: 20 });
  const answers = await Promise.all(['ann', 'bob', 'cid'].map(force));
  expect(answers.filter(({ accepted }) => accepted)).toHaveLength(1);
  expect(answers.find(({ accepted }) => !accepted)?.reason).toBe(
    'promote was meant at 20%, the rollout is at 50% by now.',
  );
  expect(await rollouts.service.ledger.rollouts.split()).toMatchObject({ percent: 50 });
});

test.each([
  ['nothing', undefined],
  ['null', null],
  ['a text', 'now!'],
  ['a number', 42],
  ['a list', []],
  ['an empty object', {}],
  ['an empty actor', { actor: '' }],
  ['an endless actor', { actor: 'a'.repeat(5_000) }],
  ['a reason that is no text', { actor: 'ann', reason: { a: 1 } }],
])('rolls back on a signal of %s, and refuses any other command in that form', async (_, input) => {
  const spec = unhurriedRolloutSpec();
  const handle = await rollouts.begin(spec);
  const args = input === undefined ? [] : [input];
  await handle.signal('promote', ...args);
  const [, refusal] = await rollouts.untilEvents(spec, 2);
  expect(refusal).toMatch(/^refuse by /);
  await handle.signal('rollback', ...args);
  expect(await rolloutResult(handle)).toMatchObject({ phase: 'RolledBack' });
  expect(await rollouts.service.auditProblem()).toBeNull();
});

test('turns away an update in a wrong form with the field and the limit', async () => {
  const handle = await rollouts.begin();
  await expect(handle.executeUpdate('pause', { args: [{ actor: '' }] })).rejects.toMatchObject({
    cause: { message: 'actor must say who you are, in up to 1000 characters' },
  });
});

test('the Temporal UI shows each decision beside its event, and a rollback not as a success', async () => {
  const spec = unhurriedRolloutSpec();
  const handle = await rollouts.beginWithEvidence(spec);
  const reason = '太慢了，先退回去。'.repeat(60);
  await handle.executeUpdate('rollback', { args: [{ actor: 'ann', reason }] });
  await rolloutResult(handle);
  expect((await handle.describe()).status.name).toBe('FAILED');
  const { events } = await handle.fetchHistory();
  const summaries = (events ?? [])
    .filter((event) => event.activityTaskScheduledEventAttributes?.activityType?.name === recordRolloutActivity)
    .map((event) => defaultPayloadConverter.fromPayload<string>(event.userMetadata?.summary as Payload));
  expect(summaries[0]).toMatch(/^start, 50% on holysheep: /);
  const last = summaries.at(-1) ?? '';
  expect(last).toMatch(/^roll-back, 0% on holysheep: ann rolled back \("太慢了.*…$/);
  expect(Buffer.byteLength(last)).toBeLessThanOrEqual(200);
});
