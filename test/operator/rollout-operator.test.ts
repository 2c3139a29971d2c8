import { eventually } from '../support/eventually';
import { connectOperator } from '../../src/client';
import { TemporalUnreachableError } from '../../src/client/errors';
import type { RolloutSpec } from '../../src/contract/rollout';
import { openOperator } from '../../src/operator';
import { RolloutOperator } from '../../src/operator/rollout-operator';
import { eachTestWithRollouts } from '../support/rollout-hooks';
import { unhurriedRolloutSpec } from '../support/rollout-spec';

const rollouts = eachTestWithRollouts();
const ann = { actor: 'ann', reason: 'complaints' };

let operator: RolloutOperator;
beforeEach(() => {
  const { settings, ledger } = rollouts.service;
  const { temporal } = settings;
  operator = operatorWith(() => connectOperator({ temporal, encryption: null }), ledger.rollouts);
});
afterEach(() => operator.close());

/** Uses the service's ledger, which the service closes. */
function operatorWith(
  connect: ConstructorParameters<typeof RolloutOperator>[1],
  ledger: RolloutOperator['rollouts'],
): RolloutOperator {
  return new RolloutOperator({ rollouts: ledger, close: () => Promise.resolve() }, connect);
}

/** A rollout that has started and lost its workflow. */
async function abandoned(): Promise<RolloutSpec> {
  const spec = unhurriedRolloutSpec();
  const workflow = await rollouts.begin(spec);
  await workflow.terminate('by hand');
  return spec;
}

async function expectRolledBack(spec: RolloutSpec): Promise<void> {
  expect(await rollouts.service.ledger.rollouts.split()).toMatchObject({
    rollout: spec.name,
    percent: 0,
    active: false,
  });
  expect(await rollouts.eventsOf(spec)).toEqual(['start by test', 'roll-back by ann']);
  expect(await rollouts.service.auditProblem()).toBeNull();
}

describe('a rollback', () => {
  it('is carried out by the workflow if one runs', async () => {
    const spec = unhurriedRolloutSpec();
    await rollouts.begin(spec);
    expect(await operator.command(undefined, 'rollback', ann)).toMatchObject({
      kind: 'accepted',
      withoutWorkflow: false,
      state: { phase: 'RolledBack', percent: 0 },
    });
    await expectRolledBack(spec);
    // Temporal shows it as failed, and an operator as what it is: over.
    await eventually('the workflow has ended', async () => (await operator.view(spec.name)).workflow === 'completed');
  });

  it('is written directly to the ledger if the workflow is gone, once', async () => {
    const spec = await abandoned();
    expect(await operator.command(spec.name, 'rollback', ann)).toMatchObject({
      kind: 'accepted',
      withoutWorkflow: true,
      reason: 'ann rolled back ("complaints").',
      state: { phase: 'RolledBack', percent: 0 },
    });
    await expectRolledBack(spec);

    expect(await operator.command(spec.name, 'rollback', { actor: 'bob' })).toMatchObject({ kind: 'ended' });
    await expectRolledBack(spec);
  });

  it('needs no Temporal', async () => {
    const spec = unhurriedRolloutSpec();
    await rollouts.begin(spec);
    const away = operatorWith(() => Promise.reject(new TemporalUnreachableError('away')), operator.rollouts);
    await expect(away.command(spec.name, 'pause', ann)).rejects.toThrow(TemporalUnreachableError);
    expect(await away.command(spec.name, 'rollback', ann)).toMatchObject({ kind: 'accepted', withoutWorkflow: true });
    await expectRolledBack(spec);
  });
});

describe('a command', () => {
  it('is not carried out if no workflow runs, and leaves no trace', async () => {
    const spec = await abandoned();
    for (const command of ['promote', 'pause', 'resume'] as const)
      expect(await operator.command(spec.name, command, ann)).toMatchObject({ kind: 'no-workflow' });
    expect(await rollouts.eventsOf(spec)).toEqual(['start by test']);
  });

  it('applies to the percentage that its sender saw', async () => {
    const spec = unhurriedRolloutSpec();
    await rollouts.begin(spec);
    expect(await operator.command(spec.name, 'promote', { ...ann, force: true, seenPercent: 10 })).toMatchObject({
      kind: 'refused',
      reason: 'promote was meant at 10%, the rollout is at 50% by now.',
    });
    expect(await operator.command(spec.name, 'promote', { ...ann, force: true })).toMatchObject({ kind: 'accepted' });
  });

  it('is refused for an invalid input before the ledger is read', async () => {
    await expect(operator.command('nobody', 'rollback', { actor: '' })).rejects.toMatchObject({
      code: 'invalid-input',
    });
  });
});

describe('a view', () => {
  it('says whether a workflow runs the rollout, or that Temporal is down', async () => {
    const spec = unhurriedRolloutSpec();
    const workflow = await rollouts.begin(spec);
    expect(await operator.view(spec.name)).toMatchObject({ workflow: 'running', state: { percent: 50 } });
    await workflow.terminate('by hand');
    expect(await operator.view(undefined)).toMatchObject({ spec, workflow: 'failed' });
    const away = operatorWith(() => Promise.reject(new TemporalUnreachableError('away')), operator.rollouts);
    expect(await away.view(spec.name)).toMatchObject({ spec, workflow: 'unreachable', state: { percent: 50 } });
  });
});

test('an operator finds the ledger as the workers do, and needs no provider key', async () => {
  const spec = await abandoned();
  const { environment, directory } = rollouts.service;
  const { HOLYSHEEP_API_KEY: _, LEGACY_API_KEY: __, ...withoutKeys } = environment;
  const opened = await openOperator({ environment: withoutKeys, workingDirectory: directory });
  try {
    expect(await opened.command(spec.name, 'rollback', ann)).toMatchObject({ kind: 'accepted', withoutWorkflow: true });
    await expectRolledBack(spec);
  } finally {
    await opened.close();
  }
});
