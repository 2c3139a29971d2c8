import { rollBackInLedger } from '../../src/client/rollback';
import type { Rollouts } from '../../src/contract/rollout-ledger';
import { sendEverybodyBack } from '../../src/operator/emergency';
import { RolloutOperator } from '../../src/operator/rollout-operator';
import { statusAsJson } from '../../src/operator/status-json';
import { listRollouts } from '../../src/operator/trail';
import { TemporalUnreachableError } from '../../src/client/errors';
import { sqliteFile } from '../../src/ledger/sqlite';
import { openSqliteFile } from '../../src/platform/better-sqlite3';
import { eachTestWithRollouts } from '../support/rollout-hooks';
import { rolloutResult } from '../support/rollout-result';
import { shortRolloutSpec, unhurriedRolloutSpec } from '../support/rollout-spec';

const rollouts = eachTestWithRollouts();
const ann = { actor: 'Ann Smith', reason: 'complaints' };

/** Without Temporal, as on a bad day. */
let operator: RolloutOperator;
beforeEach(() => {
  const { ledger } = rollouts.service;
  operator = new RolloutOperator({ rollouts: ledger.rollouts, close: () => Promise.resolve() }, () =>
    Promise.reject(new TemporalUnreachableError('away')),
  );
});

function expectAllBack(): Promise<void> {
  const { ledger } = rollouts.service;
  return expect(ledger.rollouts.split()).resolves.toMatchObject({ percent: 0, active: false, baselineArm: 'legacy' });
}

test('before any rollout, there is nobody to send back', async () => {
  await expect(operator.sendEverybodyBack(ann)).rejects.toThrow('all turns go to the default arm');
});

test('everybody is sent back from a rollout under way, once', async () => {
  const spec = unhurriedRolloutSpec();
  await rollouts.begin(spec);
  const reason = 'Ann Smith rolled back ("complaints").';
  expect(await operator.sendEverybodyBack(ann)).toEqual({ rollout: spec.name, arm: 'legacy', changed: true, reason });
  await expectAllBack();
  expect(await operator.sendEverybodyBack(ann)).toEqual({ rollout: spec.name, arm: 'legacy', changed: false, reason });
  expect(await rollouts.service.auditProblem()).toBeNull();
});

test('everybody is sent back from a rollout that has succeeded, and the trail tells it', async () => {
  const spec = shortRolloutSpec();
  const handle = await rollouts.beginWithEvidence(spec);
  expect(await rolloutResult(handle)).toMatchObject({ phase: 'Succeeded' });
  const sent = await operator.sendEverybodyBack(ann);
  expect(sent).toMatchObject({ arm: 'legacy', changed: true, reason: 'Ann Smith rolled back ("complaints").' });
  await expectAllBack();
  expect(await rollouts.service.actions(sent.rollout)).toEqual([
    ['start', 'operator'],
    ['roll-back', 'Ann Smith'],
  ]);
  expect(await rollouts.service.auditProblem()).toBeNull();
});

test('everybody is sent back from a rollout that succeeds while it is being rolled back', async () => {
  const { goOn } = rollouts.stopBefore('evidence');
  const handle = await rollouts.begin(shortRolloutSpec());
  await rollouts.service.sendTurns(40);
  const { rollouts: ledger } = rollouts.service.ledger;
  const sent = await sendEverybodyBack(ledger, ann, async (name) => {
    goOn();
    expect(await rolloutResult(handle)).toMatchObject({ phase: 'Succeeded' });
    return rollBackInLedger(ledger, name, ann);
  });
  expect(sent).toMatchObject({ rollout: expect.stringMatching(/^back-/) as string, arm: 'legacy', changed: true });
  await expectAllBack();
  expect(await rollouts.service.auditProblem()).toBeNull();
});

test('if the ledger is lost meanwhile, everybody is back or nothing has changed', async () => {
  const handle = await rollouts.beginWithEvidence(shortRolloutSpec());
  await rolloutResult(handle);
  const { rollouts: ledger } = rollouts.service.ledger;
  let isLost = false;
  const lostAfterOneWrite = Object.assign(Object.create(ledger) as Rollouts, {
    record: once(ledger.record.bind(ledger)),
    recordBoth: once(ledger.recordBoth.bind(ledger)),
  });
  function once<Args extends unknown[], T>(write: (...args: Args) => Promise<T>) {
    return async (...args: Args): Promise<T> => {
      if (isLost) throw new Error('The ledger is away.');
      isLost = true;
      return write(...args);
    };
  }
  await sendEverybodyBack(lostAfterOneWrite, ann, () => Promise.reject(new Error('Nothing is under way.')));
  await expectAllBack();
});

test('an operator who is overtaken by another one is told that everybody is back', async () => {
  await rolloutResult(await rollouts.beginWithEvidence(shortRolloutSpec()));
  const { rollouts: ledger } = rollouts.service.ledger;
  const overtaken = Object.assign(Object.create(ledger) as Rollouts, {
    // Asked after the split was read, and before anything is recorded.
    nowMs: async () => {
      await operator.sendEverybodyBack({ actor: 'bob' });
      return ledger.nowMs();
    },
  });
  const sent = await sendEverybodyBack(overtaken, ann, () => Promise.reject(new Error('Nothing is under way.')));
  expect(sent).toMatchObject({ changed: false, reason: 'bob rolled back.' });
  expect(await rollouts.service.actions(sent.rollout)).toEqual([
    ['start', 'bob'],
    ['roll-back', 'bob'],
  ]);
  await expectAllBack();
});

test('everybody is sent back from a split that was changed by hand', async () => {
  const spec = unhurriedRolloutSpec();
  await rollouts.begin(spec);
  await operator.command(spec.name, 'rollback', ann);
  const file = openSqliteFile(sqliteFile(rollouts.service.settings.dataDirectory));
  file.exec('update traffic_split set percent = 50');
  file.close();
  expect(await operator.sendEverybodyBack(ann)).toMatchObject({ arm: 'legacy', changed: true });
  await expectAllBack();
  expect(await rollouts.service.auditProblem()).toBeNull();
});

test('a rollout that another one took over is shown as that, takes no commands, and both are sent back', async () => {
  const left = unhurriedRolloutSpec();
  await (await rollouts.begin(left)).terminate('by hand');
  const next = unhurriedRolloutSpec({ takeOver: true });
  await rollouts.begin(next);

  const view = await operator.view(left.name);
  expect(statusAsJson(view)).toMatchObject({
    phase: 'TakenOver',
    next_analysis_at: null,
    evidence: null,
    warnings: [{ code: 'routing', message: expect.stringContaining(`Rollout ${next.name} has taken over`) as string }],
  });
  expect((await listRollouts(operator.rollouts)).map(({ rollout, phase }) => [rollout, phase])).toEqual([
    [left.name, 'TakenOver'],
    [next.name, 'Progressing'],
  ]);
  for (const command of ['promote', 'pause', 'resume', 'rollback'] as const) {
    expect(await operator.command(left.name, command, ann)).toMatchObject({ kind: 'taken-over', by: next.name });
  }
  expect(await operator.sendEverybodyBack(ann)).toMatchObject({ rollout: next.name, changed: true });
  await expectAllBack();
});
