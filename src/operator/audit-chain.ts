import type { RecordedRow } from '../client/recorded-rows';
import type { KeyRing } from '../contract/key-ring';
import type { AuditHead, RolloutEntry, TrafficSplit } from '../contract/rollout';
import { splitAfter } from '../domain/rollout/split-after';
import { findWrongDecision } from '../domain/rollout/verify';
import { auditHash, noHash } from '../ledger/audit-hash';
import type { AuditRow, Rollouts } from '../contract/rollout-ledger';
import { findRollout } from './trail';

/** The audit trail, its head and the traffic split, read at one moment. */
export interface Audit {
  readonly rows: readonly AuditRow[];
  readonly head: AuditHead | null;
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

/**
 * What is known about the trail outside the ledger's database. Without it, anyone who can write to the database could
 * replace the whole trail, or cut off its end, and the trail would still agree with itself.
 */
export interface AuditAnchors {
  /** With them, every row must be hashed with one of them. */
  readonly keys?: KeyRing | undefined;
  /** Rows up to this position may have plain hashes: they are from before there were keys. Default: 0. */
  readonly unkeyedUntil?: number | undefined;
  /** A row that an operator has kept. */
  readonly expectedRow?: AuditHead | undefined;
  /** What the workflows of the rollouts recorded, from their histories; null or omitted if Temporal was not asked. */
  readonly recordedRows?: readonly RecordedRow[] | null;
}

export interface AuditReport {
  readonly problem: AuditProblem | null;
  readonly rows: number;
  readonly rollouts: number;
  /** The last row; null before the first. */
  readonly head: AuditHead | null;
  /** How many rows at the beginning have plain hashes. */
  readonly unkeyedRows: number;
  /** The keys of the other rows. */
  readonly keyIds: readonly string[];
  /** The newest row in any workflow's history, 0 if there is none; null if Temporal was not asked. */
  readonly confirmedUntil: number | null;
}

/**
 * Checks the whole trail, which covers all rollouts, and recomputes the decisions of the named rollout, or of all.
 * @throws if the trail is intact and there is no rollout with this name
 */
export async function verifyAudit(
  rollouts: Rollouts,
  name: string | undefined,
  anchors: AuditAnchors,
): Promise<AuditReport> {
  const audit = await readAudit(rollouts);
  const problem = findAuditProblem(audit, anchors, name);
  // If all rows of a rollout were deleted, its name is unknown; the broken chain explains more.
  if (name !== undefined && findAuditProblem(audit, anchors) === null) await findRollout(rollouts, name);
  const last = audit.rows.at(-1);
  return {
    problem,
    rows: audit.rows.length,
    rollouts: new Set(audit.rows.map(({ rollout }) => rollout)).size,
    head: last === undefined ? null : { position: last.position, hash: last.hash },
    unkeyedRows: unkeyedRowsOf(audit.rows),
    keyIds: [...new Set(audit.rows.flatMap(({ keyId }) => keyId ?? []))],
    confirmedUntil: anchors.recordedRows ? Math.max(0, ...anchors.recordedRows.map(({ position }) => position)) : null,
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

/** What was found, as a sentence. */
export function describeProblem({ position, rollout, sequence, problem }: AuditProblem): string {
  return position === null ? `${problem}.` : `Row ${position} (decision ${sequence} of ${rollout}): ${problem}.`;
}

export function intactSentence({ rows, rollouts }: Pick<AuditReport, 'rows' | 'rollouts'>): string {
  const of = `${rollouts} ${rollouts === 1 ? 'rollout' : 'rollouts'}`;
  return `${rows} rows of ${of} are intact, and every decision follows from its evidence.`;
}

/** Null if every row is unchanged, none is missing, and every decision follows from its evidence. */
export function findAuditProblem(audit: Audit, anchors: AuditAnchors, rollout?: string): AuditProblem | null {
  return (
    chainProblem(audit.rows, anchors) ??
    headProblem(audit) ??
    anchorProblem(audit.rows, anchors) ??
    verdictProblem(audit.rows, rollout) ??
    splitProblem(audit)
  );
}

/** @param before the row before these; null: they are the first */
export function chainProblem(
  rows: readonly AuditRow[],
  { keys, unkeyedUntil = 0 }: Pick<AuditAnchors, 'keys' | 'unkeyedUntil'>,
  before: AuditRow | null = null,
): AuditProblem | null {
  let [previousHash, position] = [before?.hash ?? noHash, before?.position ?? 0];
  for (const [index, row] of rows.entries()) {
    const { hash, ...unhashed } = row;
    position += 1;
    if (row.position !== position) {
      return problemOf(row, `row ${position} is missing or was moved: row ${row.position} is in its place`);
    }
    if (row.previousHash !== previousHash) return problemOf(row, 'it does not follow the row before');
    if (row.keyId === null) {
      const last = index === 0 ? before : rows[index - 1];
      const problem = plainHashProblem(rows, last, keys !== undefined && row.position > unkeyedUntil);
      if (problem !== null) return problemOf(row, problem);
      if (auditHash(unhashed) !== hash) return problemOf(row, 'it was altered: its hash does not match its columns');
    } else {
      const key = keys?.keys.get(row.keyId);
      if (key === undefined) return problemOf(row, missingKey(row.keyId, keys));
      if (auditHash(unhashed, key) !== hash) return problemOf(row, wrongKeyedHash(row.keyId));
    }
    previousHash = hash;
  }
  return null;
}

/** How many rows at the beginning have plain hashes. */
function unkeyedRowsOf(rows: readonly AuditRow[]): number {
  const firstKeyed = rows.findIndex(({ keyId }) => keyId !== null);
  return firstKeyed === -1 ? rows.length : firstKeyed;
}

/** Anyone can make a plain hash, so it proves nothing where it may have replaced a keyed one. */
function plainHashProblem(
  rows: readonly AuditRow[],
  before: AuditRow | null | undefined,
  mustBeKeyed: boolean,
): string | null {
  if (before && before.keyId !== null) {
    return 'it is hashed without a key although the row before it is hashed with one: its writer had no key';
  }
  if (!mustBeKeyed) return null;
  const until = unkeyedRowsOf(rows);
  return (
    'it is hashed without a key, but keys are configured: either it is older than the keys, or somebody without a key ' +
    `has forged it. If you know that all rows up to ${until} are older than the keys, accept them with ` +
    `--unkeyed-until ${until}`
  );
}

function missingKey(keyId: string, keys: KeyRing | undefined): string {
  const known =
    keys === undefined ? 'no key is configured here' : `only ${[...keys.keys.keys()].join(', ')} is configured here`;
  return (
    `it is hashed with key "${keyId}", but ${known}, so it cannot be checked. Set BELLWETHER_AUDIT_KEYS as in the ` +
    'workers, including their older keys; if you never had such a key, the row is forged'
  );
}

function wrongKeyedHash(keyId: string): string {
  return (
    `its hash does not match its columns under key "${keyId}": it was altered, or the key configured here under that id ` +
    'is not the one that it was hashed with'
  );
}

/** Compares the trail with rows that are known from outside the database. */
function anchorProblem(rows: readonly AuditRow[], { expectedRow, recordedRows }: AuditAnchors): AuditProblem | null {
  const known = [
    ...(expectedRow ? [{ ...expectedRow, source: 'you expect' }] : []),
    ...(recordedRows ?? []).map((row) => ({ ...row, source: `Temporal's history of rollout ${row.rollout} has` })),
  ];
  for (const { position, hash, source } of known) {
    const row = rows[position - 1];
    if (row === undefined) {
      const missing =
        rows.length + 1 === position ? `row ${position} is` : `rows ${rows.length + 1} to ${position} are`;
      return noRow(`${missing} missing: ${source} row ${position}, and the trail ends with row ${rows.length}`);
    }
    if (row.hash !== hash) {
      return problemOf(row, `it, or a row before it, was replaced: ${source} ${hash} as its hash, not ${row.hash}`);
    }
  }
  return null;
}

export function headProblem({ rows, head }: Pick<Audit, 'rows' | 'head'>): AuditProblem | null {
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
export function splitProblem({ rows, split }: Pick<Audit, 'rows' | 'split'>): AuditProblem | null {
  const last = rows.at(-1);
  if (last === undefined || split === null) return null;
  const { spec, decision } = JSON.parse(last.entry) as RolloutEntry;
  const made = splitAfter(spec, decision.next);
  const field = (Object.keys(made) as (keyof TrafficSplit)[]).find((key) => asText(made[key]) !== asText(split[key]));
  if (field === undefined) return null;
  return problemOf(
    last,
    `it set the split's ${field} to ${asText(made[field])}, but turns are routed by ${asText(split[field])}`,
  );
}

function asText(value: TrafficSplit[keyof TrafficSplit]): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

export function problemOf({ position, rollout, sequence }: AuditRow, problem: string): AuditProblem {
  return { position, rollout, sequence, problem };
}

function noRow(problem: string): AuditProblem {
  return { position: null, rollout: null, sequence: null, problem };
}
