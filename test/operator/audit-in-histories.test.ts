import { openOperator } from '../../src/operator';
import type { RolloutOperator } from '../../src/operator/rollout-operator';
import { verifyAudit } from '../../src/operator/audit-chain';
import { openSqliteFile } from '../../src/platform/better-sqlite3';
import type { AuditRow } from '../../src/contract/rollout-ledger';
import { join } from 'node:path';
import { replaceTrail, rehashed } from '../support/forged-trail';
import { eachTestWithRollouts } from '../support/rollout-hooks';
import { rolloutResult } from '../support/rollout-result';
import { unhurriedRolloutSpec } from '../support/rollout-spec';

const rollouts = eachTestWithRollouts();
/** Without analyses, of which one could be recorded while its workflow is terminated. */
const quietSpec = () => unhurriedRolloutSpec({ intervalMs: 60 * 60 * 1000 });
const ann = { actor: 'ann', reason: 'complaints' };

let operator: RolloutOperator;
let query: <Row>(statement: string) => Promise<Row[]>;
beforeEach(async () => {
  const { environment, directory, settings } = rollouts.service;
  operator = await openOperator({ environment, workingDirectory: directory });
  const database = openSqliteFile(join(settings.dataDirectory, 'ledger.db'));
  query = <Row>(statement: string) => Promise.resolve(database.prepare(statement).all() as Row[]);
});
afterEach(() => operator.close());

async function verify() {
  return verifyAudit(operator.rollouts, undefined, { recordedRows: await operator.recordedRows() });
}

async function trail(): Promise<readonly AuditRow[]> {
  return operator.rollouts.auditTrail();
}

describe('the histories of rollouts', () => {
  it('confirm the rows that their workflows recorded', async () => {
    const spec = quietSpec();
    const workflow = await rollouts.begin(spec);
    await operator.command(spec.name, 'rollback', ann);
    await rolloutResult(workflow);
    const report = await verify();
    expect(report).toMatchObject({ problem: null, confirmedUntil: report.rows });
  });

  it('tell that a trail was rewritten, even one without keys', async () => {
    const spec = quietSpec();
    const workflow = await rollouts.begin(spec);
    await operator.command(spec.name, 'rollback', ann);
    await rolloutResult(workflow);
    const rows = (await trail()).map((row) => ({
      ...row,
      actor: row.actor.replace('ann', 'eve'),
      reason: row.reason.replace('ann', 'eve'),
      entry: row.entry.replaceAll('ann', 'eve'),
    }));
    await replaceTrail({ query }, rehashed(rows));
    expect((await verifyAudit(operator.rollouts, undefined, {})).problem).toBeNull();
    expect((await verify()).problem).toMatchObject({
      position: rows.length,
      problem: expect.stringContaining(`was replaced: Temporal's history of rollout ${spec.name} has`),
    });
  });

  it('tell that the last rows were cut off, although the head and the split were set right', async () => {
    const spec = quietSpec();
    const workflow = await rollouts.begin(spec);
    const split = await operator.rollouts.split();
    await operator.command(spec.name, 'rollback', ann);
    await rolloutResult(workflow);
    const rows = await trail();
    await replaceTrail({ query }, rows.slice(0, -1));
    await query(`update traffic_split set percent = ${split!.percent}, bake = ${split!.bake}, active = 1 returning id`);
    expect((await verifyAudit(operator.rollouts, undefined, {})).problem).toBeNull();
    expect((await verify()).problem?.problem).toMatch(
      new RegExp(`^row ${rows.length} is missing: Temporal's history of rollout ${spec.name} has row ${rows.length}`),
    );
  });

  it('tell that all rows of the latest rollout were removed', async () => {
    // Only Temporal's list still knows the second one, under the type of rollouts by users.
    const [first, second] = [quietSpec(), { ...quietSpec(), rule: 2 as const }];
    for (const spec of [first, second]) {
      const workflow = await rollouts.begin(spec);
      await operator.command(spec.name, 'rollback', ann);
      await rolloutResult(workflow);
    }
    const rows = await trail();
    await replaceTrail(
      { query },
      rows.filter(({ rollout }) => rollout === first.name),
    );
    await query(`update traffic_split set rollout = '${first.name}' returning id`);
    // Temporal lists a closed workflow a little later.
    const problems: (string | undefined)[] = [];
    while (problems.at(-1) === undefined) problems.push((await verify()).problem?.problem);
    expect(problems.at(-1)).toContain(`Temporal's history of rollout ${second.name} has row ${rows.length}`);
  });

  it('have no row of a rollback without a workflow, and the report says up to where they confirm', async () => {
    const spec = quietSpec();
    const workflow = await rollouts.begin(spec);
    await workflow.terminate('by hand');
    const confirmedUntil = (await trail()).length;
    await operator.command(spec.name, 'rollback', ann);
    expect(await verify()).toMatchObject({ problem: null, confirmedUntil, rows: confirmedUntil + 1 });
  });
});
