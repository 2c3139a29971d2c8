import type { KeyRing } from '../contract/key-ring';
import type { AuditHead, RecordedRollout, RolloutEntry } from '../contract/rollout';
import { auditHash } from './audit-hash';
import { refusalToBegin, refusedRollout } from '../domain/rollout/begin-rollout';
import { splitAfter } from '../domain/rollout/split-after';
import { storable } from '../domain/rollout/verify';
import { type AuditRow, RolloutConflictError } from '../contract/rollout-ledger';
import type { LedgerDatabase } from './schema';
import { lockSplit, writeSplit } from './traffic-split';

/** The actor of automatic decisions. */
const systemActor = 'bellwether';

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
  if (known?.entry === text) return { kind: 'recorded', row: { position: known.position, hash: known.hash } };

  if (sequence === 1) {
    const refusal = refusalToBegin({ spec, nameIsTaken: known !== undefined, split, defaultArm });
    if (refusal !== null) return refusedRollout(refusal);
  } else if (known !== undefined) {
    const { next } = (JSON.parse(known.entry) as RolloutEntry).decision;
    if (next.endedAtMs !== null) {
      throw new RolloutConflictError(
        `Rollout ${spec.name} has been ended in the ledger in the meantime: ${next.message}`,
      );
    }
    throw new RolloutConflictError(
      `Audit row ${sequence} of rollout ${spec.name} already exists with different content, so this one cannot be ` +
        'written. Check whether its workflow was reset or started twice.',
    );
  } else if ((await entryOf(trx, spec.name, sequence - 1)) === undefined) {
    throw new Error(
      `Audit row ${sequence} of rollout ${spec.name} cannot be written: row ${sequence - 1} is missing. ` +
        'Check that all workers use the same ledger.',
    );
  } else if (split?.rollout !== spec.name) {
    throw new RolloutConflictError(
      `Rollout ${spec.name} can no longer move traffic: rollout ${split?.rollout} has taken it over.`,
    );
  }
  if (keys === undefined && (await isKeyed(trx, head))) {
    throw new Error(
      `The last row of the audit trail is hashed with a key, but this process has none. Row ${sequence} of rollout ` +
        `${spec.name} would end the protection of the trail, so it was not written. Set BELLWETHER_AUDIT_KEYS here as in ` +
        'the workers.',
    );
  }
  return { kind: 'recorded', row: await append(trx, entry, text, head, keys) };
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
  await writeSplit(trx, splitAfter(entry.spec, entry.decision.next), newHead, atMs);
  return newHead;
}

const auditColumns = [
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

/** See `Rollouts.lastAuditRow`. */
export async function lastAuditRow(db: LedgerDatabase, rollout: string | undefined): Promise<AuditRow | null> {
  const last = db.selectFrom('rollout_audit').select(auditColumns).orderBy('position', 'desc').limit(1);
  const row = await (rollout === undefined ? last : last.where('rollout', '=', rollout)).executeTakeFirst();
  return row ?? null;
}
