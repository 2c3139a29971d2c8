import * as fc from 'fast-check';
import { type Audit, type AuditProblem, findAuditProblem, readAudit } from '../../src/operator/audit-chain';
import type { RolloutCommandName, RolloutSpec, RolloutState, TrafficSplit } from '../../src/contract/rollout';
import { advanceRollout } from '../../src/domain/rollout/advance-rollout';
import { defaultRolloutGates, rolloutPlans } from '../../src/domain/rollout/plans';
import type { AuditRow } from '../../src/contract/rollout-ledger';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';
import { CliWorkspace } from '../cli/run-cli';

function specNamed(name: string): RolloutSpec {
  const arms = { baselineArm: 'legacy', canaryArm: 'holysheep' };
  const plan = { ...rolloutPlans['72h'], gates: defaultRolloutGates, freezeWindows: [], takeOver: false };
  return { name, ...arms, ...plan, actor: 'ann' };
}

/** Two rollouts, one after the other: six rows, with multi-byte text. */
async function recordRollouts({ ledger }: TestLedger): Promise<void> {
  for (const [index, name] of ['october', 'november'].entries()) {
    let state: RolloutState | null = null;
    for (const [at, command] of ([null, 'pause', 'rollback'] as (RolloutCommandName | null)[]).entries()) {
      const occasion = {
        atMs: 1_000 * (index * 10 + at),
        evidence: null,
        command: command === null ? null : { name: command, actor: 'ann', reason: 'Müller sagt: 停' },
      };
      const decision = advanceRollout(specNamed(name), state, occasion);
      expect(await ledger.rollouts.record({ spec: specNamed(name), ...occasion, decision }, 'legacy')).toMatchObject({
        kind: 'recorded',
      });
      state = decision.next;
    }
  }
}

/** Flips one bit of the column's text. */
function flipped(row: AuditRow, column: keyof AuditRow, byte: number, bit: number): AuditRow {
  const bytes = Buffer.from(String(row[column]), 'utf8');
  const at = byte % bytes.length;
  bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at);
  const text = bytes.toString('utf8');
  return { ...row, [column]: typeof row[column] === 'number' ? Number(text) : text };
}

describeOnEachDatabase('the audit trail of rollouts', (databases) => {
  let test: TestLedger;
  let audit: Audit;
  const workspace = new CliWorkspace();

  beforeAll(async () => {
    test = await openTestLedger(databases);
    await recordRollouts(test);
    audit = await readAudit(test.ledger.rollouts);
  });
  afterAll(async () => {
    await test.close();
    await workspace.remove();
  });

  const problemOf = (change: (rows: readonly AuditRow[]) => readonly AuditRow[]): AuditProblem | null =>
    findAuditProblem({ ...audit, rows: change(audit.rows) }, {});

  it('is accepted as it was written', () => {
    expect(audit.rows).toHaveLength(6);
    expect(findAuditProblem(audit, {})).toBeNull();
  });

  it('is rejected if one bit in any column of any row is flipped, and the error names the row', () => {
    const columns = Object.keys(audit.rows[0]!) as (keyof AuditRow)[];
    expect(columns).toHaveLength(11);
    const place = fc.tuple(fc.nat(5), fc.constantFrom(...columns), fc.nat(5_000), fc.integer({ min: 0, max: 7 }));
    fc.assert(
      fc.property(place, ([index, column, byte, bit]) => {
        const changed = flipped(audit.rows[index]!, column, byte, bit);
        // A number with the same value, such as 1e3 for 1000, is not a change.
        fc.pre(!Object.is(changed[column], audit.rows[index]![column]));
        const problem = problemOf((rows) => rows.with(index, changed));
        expect(problem).toMatchObject({ position: changed.position, rollout: changed.rollout });
      }),
      { numRuns: 2_000 },
    );
  });

  it('is rejected if rows are missing at the beginning, in the middle or at the end', () => {
    for (let index = 0; index < 6; index += 1) {
      for (let count = 1; count <= 6 - index; count += 1) {
        expect(problemOf((rows) => rows.toSpliced(index, count))).not.toBeNull();
      }
    }
    expect(problemOf((rows) => rows.slice(0, 4))?.problem).toBe('rows 5 to 6 after it are missing');
    expect(problemOf(() => [])?.problem).toBe('all 6 rows are missing');
  });

  it('is rejected if rows change places, with or without their positions', () => {
    const swapped = (one: number, other: number, withPositions: boolean): AuditProblem | null =>
      problemOf((rows) => {
        const [first, second] = [rows[one]!, rows[other]!];
        const placed = (row: AuditRow, position: number) => (withPositions ? row : { ...row, position });
        return rows.with(one, placed(second, first.position)).with(other, placed(first, second.position));
      });
    for (let one = 0; one < 6; one += 1) {
      for (let other = one + 1; other < 6; other += 1) {
        expect(swapped(one, other, true)).not.toBeNull();
        expect(swapped(one, other, false)).not.toBeNull();
      }
    }
  });

  it('is rejected if the split does not match', () => {
    const problem = (changes: Partial<TrafficSplit>) =>
      findAuditProblem({ ...audit, split: { ...audit.split!, ...changes } }, {})?.problem;
    expect(problem({ percent: 100 })).toBe("it set the split's percent to 0, but turns are routed by 100");
    expect(problem({ rescue: true })).toBe("it set the split's rescue to false, but turns are routed by true");
    expect(problem({ salt: 'x' })).toBe("it set the split's salt to null, but turns are routed by x");
  });

  it('makes the command end with 0, and with 1 after a row was changed', async () => {
    const { databaseUrl, dataDirectory } = test.database.location;
    const environment = { BELLWETHER_DATA_DIR: dataDirectory, ...(databaseUrl && { DATABASE_URL: databaseUrl }) };
    const before = await workspace.run(['rollout', 'verify'], environment);
    expect(before).toMatchObject({ status: 0, stdout: expect.stringContaining('6 rows of 2 rollouts are intact') });

    await test.database.query("update rollout_audit set actor = 'eve' where position = 5 returning position");
    const after = await workspace.run(['rollout', 'verify', 'november'], environment);
    expect(after).toMatchObject({
      status: 1,
      stdout: '✗ Row 5 (decision 2 of november): it was altered: its hash does not match its columns.\n',
    });
  });
});
