import type { RolloutEntry, TrafficSplit } from '../contract/rollout';
import { findWrongDecision } from '../domain/rollout/verify';
import { auditHash, noHash } from '../ledger/audit-hash';
import type { AuditRow, Rollouts } from '../contract/rollout-ledger';
import { findRollout } from './trail';

/** The audit trail, its head and the traffic split, read at one moment. */
export interface Audit {
  readonly rows: readonly AuditRow[];
  readonly head: { readonly position: number; readonly hash: string } | null;
  readonly split: TrafficSplit | null;
}

/** The first problem that was found, with its row. */
export interface AuditProblem {
  /** Position in the trail of all rollouts; null if the problem belongs to no row. */
  readonly position: number | null;
  readonly rollout: string | null;
  readonly sequence: number | null;
  readonly problem: string;
}

export interface AuditReport {
  readonly problem: AuditProblem | null;
  readonly rows: number;
  readonly rollouts: number;
}

/**
 * Checks the whole trail, which covers all rollouts, and recomputes the decisions of the named rollout, or of all.
 * @throws if the trail is intact and there is no rollout with this name
 */
export async function verifyAudit(rollouts: Rollouts, name: string | undefined): Promise<AuditReport> {
  const audit = await readAudit(rollouts);
  // If all rows of a rollout were deleted, its name is unknown; the broken chain explains more.
  if (name !== undefined && findAuditProblem(audit) === null) await findRollout(rollouts, name);
  return {
    problem: findAuditProblem(audit, name),
    rows: audit.rows.length,
    rollouts: new Set(audit.rows.map(({ rollout }) => rollout)).size,
  };
}

const maxReadings = 20;

/** Reads a consistent trail and head, even while a rollout is running. */
export async function readAudit(rollouts: Rollouts): Promise<Audit> {
  for (let reading = 1; ; reading += 1) {
    const [before, splitBefore] = [await rollouts.auditHead(), await rollouts.split()];
    const rows = await rollouts.auditTrail();
    const after = await rollouts.auditHead();
    const isOneMoment = before?.position === after?.position && before?.hash === after?.hash;
    if (isOneMoment) return { rows, head: after, split: splitBefore };
    if (reading === maxReadings) throw new Error('The audit trail grows faster than it can be read; try again.');
  }
}

/** Null if every row is unchanged, none is missing, and every decision follows from its evidence. */
export function findAuditProblem(audit: Audit, rollout?: string): AuditProblem | null {
  return chainProblem(audit.rows) ?? headProblem(audit) ?? verdictProblem(audit.rows, rollout) ?? splitProblem(audit);
}

function chainProblem(rows: readonly AuditRow[]): AuditProblem | null {
  let previousHash = noHash;
  for (const [index, row] of rows.entries()) {
    const { hash, ...unhashed } = row;
    if (row.position !== index + 1) {
      return problemOf(row, `row ${index + 1} is missing or was moved: row ${row.position} is in its place`);
    }
    if (row.previousHash !== previousHash) return problemOf(row, 'it does not follow the row before');
    if (auditHash(unhashed) !== hash) return problemOf(row, 'it was altered: its hash does not match its columns');
    previousHash = hash;
  }
  return null;
}

function headProblem({ rows, head }: Audit): AuditProblem | null {
  const last = rows.at(-1);
  if (last === undefined) {
    return head === null ? null : noRow(`all ${head.position} rows are missing`);
  }
  if (head === null) return problemOf(last, 'the split refers to no row');
  if (head.position > last.position)
    return problemOf(last, `rows ${last.position + 1} to ${head.position} after it are missing`);
  if (head.position === last.position && head.hash === last.hash) return null;
  return problemOf(last, `the split refers to a different last row (${head.position})`);
}

function verdictProblem(rows: readonly AuditRow[], only: string | undefined): AuditProblem | null {
  const names = only === undefined ? new Set(rows.map((row) => row.rollout)) : [only];
  for (const name of names) {
    const own = rows.filter((row) => row.rollout === name);
    const wrong = findWrongDecision(own);
    const row = own[(wrong?.sequence ?? 0) - 1];
    if (wrong !== null) return row ? problemOf(row, wrong.problem) : noRow(`${name}: ${wrong.problem}`);
  }
  return null;
}

/** Checks that the split that routes turns matches the last row. */
function splitProblem({ rows, split }: Audit): AuditProblem | null {
  const last = rows.at(-1);
  if (last === undefined || split === null) return null;
  const { spec, decision } = JSON.parse(last.entry) as RolloutEntry;
  const made: TrafficSplit = {
    rollout: spec.name,
    baselineArm: spec.baselineArm,
    canaryArm: spec.canaryArm,
    percent: decision.next.percent,
    bake: decision.next.bake,
    active: decision.next.endedAtMs === null,
  };
  const field = (Object.keys(made) as (keyof TrafficSplit)[]).find((key) => made[key] !== split[key]);
  if (field === undefined) return null;
  return problemOf(last, `it set the split's ${field} to ${made[field]}, but turns are routed by ${split[field]}`);
}

function problemOf({ position, rollout, sequence }: AuditRow, problem: string): AuditProblem {
  return { position, rollout, sequence, problem };
}

function noRow(problem: string): AuditProblem {
  return { position: null, rollout: null, sequence: null, problem };
}
