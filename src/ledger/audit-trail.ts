import type { KeyRing } from '../contract/key-ring';
import { systemActor } from '../contract/names';
import type { AuditHead, RecordedRollout, RolloutEntry, RolloutState, TrafficSplit } from '../contract/rollout';
import { auditHash } from './audit-hash';
import { refusalToBegin, refusedRollout } from '../domain/rollout/begin-rollout';
import { splitAfter } from '../domain/rollout/split-after';
import { successionProblem } from '../domain/rollout/succession';
import { storable } from '../domain/rollout/verify';
import { type AuditRow, LedgerBehindError, RolloutConflictError } from '../contract/rollout-ledger';
import { beginFolding } from './fold-users';
import type { LedgerDatabase } from './schema';
import { lockSplit, writeSplit } from './traffic-split';

/** See `Rollouts.record`. */
export async function recordEntry(
  trx: LedgerDatabase,
  entry: RolloutEntry,
  defaultArm: string,
  keys: KeyRing | undefined,
): Promise<RecordedRollout> {
  const { split, head } = await lockSplit(trx);
  const { spec, decision } = entry;
  const { sequence } = decision.next;
  const text = JSON.stringify(entry);
  const known = await entryOf(trx, spec.name, sequence);
  if (known?.entry === text) {
    return { kind: 'recorded', row: { position: known.position, hash: known.hash }, decision };
  }
  if (sequence === 1) {
    const refusal = refusalToBegin({ spec, atMs: entry.atMs, nameIsTaken: known !== undefined, split, defaultArm });
    if (refusal !== null) return refusedRollout(refusal);
  } else {
    await requirePredecessor(trx, entry, split);
  }
  if (keys === undefined && (await isKeyed(trx, head))) {
    throw new Error(
      `The last row of the audit trail is hashed with a key, but this process has none. Row ${sequence} of rollout ` +
        `${spec.name} would end the protection of the trail, so it was not written. Set BELLWETHER_AUDIT_KEYS here as in ` +
        'the workers.',
    );
  }
  return { kind: 'recorded', row: await append(trx, entry, text, head, keys), decision };
}

/** @throws unless the entry continues what the ledger has of its rollout, and the rollout still routes turns */
async function requirePredecessor(
  trx: LedgerDatabase,
  { spec: { name }, decision: { next } }: RolloutEntry,
  split: TrafficSplit | null,
): Promise<void> {
  const last = await lastAuditRow(trx, name);
  const before = last === null ? null : (JSON.parse(last.entry) as RolloutEntry).decision.next;
  if (before === null || before.sequence < next.sequence - 1) {
    if (before !== null && before.endedAtMs !== null) throw endedMeanwhile(name, before);
    throw new LedgerBehindError(missingRows(name, before?.sequence ?? 0, next.sequence - 1));
  }
  if (before.sequence >= next.sequence) {
    if (before.endedAtMs !== null) throw endedMeanwhile(name, before);
    throw new RolloutConflictError(
      `Audit row ${next.sequence} of rollout ${name} already exists with different content, so this one cannot be ` +
        `written: its workflow was reset or started twice. ${wayOut(name)}`,
    );
  }
  if (split?.rollout !== name) {
    throw new RolloutConflictError(
      `Rollout ${name} can no longer move traffic: rollout ${split?.rollout} has taken it over.`,
    );
  }
  const problem = successionProblem(before, next);
  if (problem === null) return;
  throw new RolloutConflictError(
    `Audit row ${next.sequence} of rollout ${name} does not follow from the row before it: ${problem}. ${wayOut(name)}`,
  );
}

function endedMeanwhile(name: string, { message }: RolloutState): RolloutConflictError {
  return new RolloutConflictError(`Rollout ${name} has been ended in the ledger in the meantime: ${message}`);
}

/** Not a conflict: the rows may come back, with the right ledger or a newer backup. */
function missingRows(name: string, lastRow: number, lastMissing: number): string {
  const missing =
    lastRow + 1 === lastMissing ? `row ${lastMissing} is missing` : `rows ${lastRow + 1} to ${lastMissing} are missing`;
  return (
    `Audit row ${lastMissing + 1} of rollout ${name} cannot be written: ${missing} in the ledger. It was restored from ` +
    `an older backup, or this worker uses another ledger than those before. ${wayOut(name)}`
  );
}

function wayOut(name: string): string {
  return (
    `\`bellwether rollout adopt ${name}\` continues from what the ledger says; \`bellwether rollout back\` sends ` +
    'everybody back.'
  );
}

async function entryOf(db: LedgerDatabase, rollout: string, sequence: number) {
  return db
    .selectFrom('rollout_audit')
    .select(['entry', 'position', 'hash'])
    .where('rollout', '=', rollout)
    .where('sequence', '=', sequence)
    .executeTakeFirst();
}

async function isKeyed(db: LedgerDatabase, { position }: AuditHead): Promise<boolean> {
  const row = await db.selectFrom('rollout_audit').select('key_id').where('position', '=', position).executeTakeFirst();
  return row !== undefined && row.key_id !== null;
}

async function append(
  trx: LedgerDatabase,
  entry: RolloutEntry,
  text: string,
  head: AuditHead,
  keys: KeyRing | undefined,
): Promise<AuditHead> {
  const { spec, decision, command, atMs } = entry;
  const unhashed = {
    position: head.position + 1,
    rollout: spec.name,
    sequence: decision.next.sequence,
    atMs,
    actor: storable(command?.actor ?? (decision.action === 'start' ? spec.actor : systemActor)),
    action: decision.action,
    reason: storable(decision.reason),
    entry: text,
    previousHash: head.hash,
    keyId: keys?.activeKeyId ?? null,
  };
  const row: AuditRow = { ...unhashed, hash: auditHash(unhashed, keys?.keys.get(keys.activeKeyId)) };
  await trx
    .insertInto('rollout_audit')
    .values({
      position: row.position,
      rollout: row.rollout,
      sequence: row.sequence,
      at_ms: row.atMs,
      actor: row.actor,
      action: row.action,
      reason: row.reason,
      entry: row.entry,
      previous_hash: row.previousHash,
      key_id: row.keyId,
      hash: row.hash,
    })
    .execute();
  const newHead = { position: row.position, hash: row.hash };
  const split = splitAfter(entry.spec, entry.decision.next);
  await writeSplit(trx, split, newHead, atMs);
  if (split.exposure !== undefined) await beginFolding(trx, split.rollout, split.exposure);
  return newHead;
}

export const auditColumns = [
  'position',
  'rollout',
  'sequence',
  'at_ms as atMs',
  'actor',
  'action',
  'reason',
  'entry',
  'previous_hash as previousHash',
  'key_id as keyId',
  'hash',
] as const;

/** See `Rollouts.auditTrail`. */
export async function auditTrail(db: LedgerDatabase, rollout: string | undefined): Promise<readonly AuditRow[]> {
  const all = db.selectFrom('rollout_audit').select(auditColumns).orderBy('position');
  return (rollout === undefined ? all : all.where('rollout', '=', rollout)).execute();
}

/** See `PageReads.auditRowsAfter`. */
export function auditRowsAfter(db: LedgerDatabase, position: number, limit: number): Promise<readonly AuditRow[]> {
  return db
    .selectFrom('rollout_audit')
    .select(auditColumns)
    .where('position', '>', position)
    .orderBy('position')
    .limit(limit)
    .execute();
}

/** See `Rollouts.lastAuditRow`. */
export async function lastAuditRow(db: LedgerDatabase, rollout: string | undefined): Promise<AuditRow | null> {
  const last = db.selectFrom('rollout_audit').select(auditColumns).orderBy('position', 'desc').limit(1);
  const row = await (rollout === undefined ? last : last.where('rollout', '=', rollout)).executeTakeFirst();
  return row ?? null;
}
