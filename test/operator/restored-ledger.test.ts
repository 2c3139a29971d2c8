import { connectOperator } from '../../src/client';
import { rolloutCheck } from '../../src/cli/checks/rollout';
import type { RolloutSpec } from '../../src/contract/rollout';
import { sqliteFile } from '../../src/ledger/sqlite';
import { verifyAudit } from '../../src/operator/audit-chain';
import { RolloutOperator } from '../../src/operator/rollout-operator';
import { statusAsJson } from '../../src/operator/status-json';
import { warningsOf } from '../../src/operator/warnings';
import { openSqliteFile } from '../../src/platform/better-sqlite3';
import { eventually } from '../support/eventually';
import { eachTestWithRollouts } from '../support/rollout-hooks';
import { unhurriedRolloutSpec } from '../support/rollout-spec';

const rollouts = eachTestWithRollouts();
const ann = { actor: 'ann', reason: 'the ledger was restored' };

let operator: RolloutOperator;
beforeEach(() => {
  const { settings, ledger } = rollouts.service;
  const connect = () => connectOperator({ temporal: settings.temporal, encryption: null });
  operator = new RolloutOperator({ rollouts: ledger.rollouts, close: () => Promise.resolve() }, connect);
});
afterEach(() => operator.close());

async function rowsOf({ name }: RolloutSpec): Promise<number> {
  return (await rollouts.service.ledger.rollouts.lastAuditRow(name))?.sequence ?? 0;
}

/** A rollout under way whose ledger was restored from a backup: what was decided after it is gone. */
async function restored(): Promise<RolloutSpec> {
  const spec = unhurriedRolloutSpec();
  await rollouts.begin(spec);
  await eventually('a few analyses', async () => (await rowsOf(spec)) >= 3);
  const file = openSqliteFile(sqliteFile(rollouts.service.settings.dataDirectory));
  const split = file.prepare('select * from traffic_split').get() as Record<string, unknown>;
  const kept = Number(split['head_position']);
  await eventually('two more', async () => (await rowsOf(spec)) >= kept + 2);
  file
    .transaction(() => {
      file.prepare('delete from rollout_audit where position > ?').run(kept);
      const columns = Object.keys(split).filter((column) => column !== 'id');
      const set = columns.map((column) => `${column} = ?`).join(', ');
      file.prepare(`update traffic_split set ${set}`).run(...columns.map((column) => split[column]));
    })
    .immediate();
  file.close();
  return spec;
}

/** As soon as the workflow has tried to record its next analysis: at most an interval later. */
function untilNoticed(spec: RolloutSpec): Promise<void> {
  return eventually('it is noticed', async () => {
    const warnings = warningsOf(await operator.view(spec.name));
    return warnings.some(({ code }) => code === 'ledger-behind');
  });
}

test('a ledger that was restored from an older backup is told everywhere, with the way out', async () => {
  const spec = await restored();
  await untilNoticed(spec);
  const view = await operator.view(spec.name);
  expect(statusAsJson(view)).toMatchObject({
    warnings: [{ code: 'ledger-behind', message: expect.stringContaining('restored from an older backup') as string }],
  });
  expect(warningsOf(view)[0]?.message).toContain(`bellwether rollout adopt ${spec.name}`);
  expect(warningsOf(view)[0]?.message).toContain('bellwether rollout back');
  expect(await operator.watch(spec.name, { onView: () => undefined, waitsForOperator: true })).toBe('needs-operator');
  expect(await rolloutCheck(rollouts.service.settings).run()).toMatchObject({
    status: 'failed',
    detail: expect.stringContaining('restored from an older backup') as string,
  });
  const recordedRows = await operator.recordedRows();
  const { problem } = await verifyAudit(operator.rollouts, undefined, { recordedRows });
  expect(problem?.problem).toContain("Temporal's history");
});

test('adopting the ledger goes on from it, paused, with a new workflow', async () => {
  const spec = await restored();
  await untilNoticed(spec);
  expect(await operator.adopt(spec.name, ann)).toMatchObject({
    kind: 'accepted',
    state: { phase: 'Paused', percent: 50 },
    reason: expect.stringMatching(
      /^ann paused it \("adopted after decision \d+: the ledger was restored"\)\.$/,
    ) as string,
  });
  expect(warningsOf(await operator.view(spec.name))).toEqual([]);
  expect(await operator.command(spec.name, 'resume', { actor: 'bob' })).toMatchObject({ kind: 'accepted' });
  const before = await rowsOf(spec);
  await eventually('it analyses again', async () => (await rowsOf(spec)) > before);
  expect(await operator.adopt(spec.name, ann)).toMatchObject({ kind: 'refused' });
  expect(await rollouts.eventsOf(spec)).toEqual(['start by test', 'pause by ann', 'resume by bob']);
  expect(await rollouts.service.auditProblem()).toBeNull();
});

test('a rollback does not wait for the workflow, which then ends', async () => {
  const spec = await restored();
  await untilNoticed(spec);
  expect(await operator.sendEverybodyBack(ann)).toMatchObject({ rollout: spec.name, arm: 'legacy', changed: true });
  expect(await rollouts.service.ledger.rollouts.split()).toMatchObject({ percent: 0, active: false });
  await expect(rollouts.handleOf(spec).result()).rejects.toMatchObject({
    cause: { type: 'RolloutRefused', message: expect.stringContaining('has been ended in the ledger') as string },
  });
  expect(await rollouts.service.auditProblem()).toBeNull();
});
