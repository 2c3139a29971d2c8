import type { AuditRow } from '../../src/contract/rollout-ledger';
import { auditHash, noHash } from '../../src/ledger/audit-hash';
import type { TestDatabase } from './ledgers';

/** What somebody who can write to the database, and has this program, makes of a trail. Without a key the hashes are plain. */
export function rehashed(
  rows: readonly AuditRow[],
  key?: { readonly id: string; readonly bytes: Uint8Array },
): AuditRow[] {
  let previousHash = noHash;
  return rows.map((row) => {
    const unhashed = { ...row, previousHash, keyId: key?.id ?? null };
    const { hash: _old, ...columns } = unhashed;
    previousHash = auditHash(columns, key?.bytes);
    return { ...columns, hash: previousHash };
  });
}

/** Replaces the trail in the database, and the head as well. */
export async function replaceTrail(database: Pick<TestDatabase, 'query'>, rows: readonly AuditRow[]): Promise<void> {
  await database.query('delete from rollout_audit returning position');
  for (const row of rows) {
    const { position, rollout, sequence, atMs, actor, action, reason, entry, previousHash, keyId, hash } = row;
    const texts = [actor, action, reason, entry, previousHash].map(quoted).join(', ');
    await database.query(
      'insert into rollout_audit (position, rollout, sequence, at_ms, actor, action, reason, entry, previous_hash, key_id, hash) ' +
        `values (${position}, ${quoted(rollout)}, ${sequence}, ${atMs}, ${texts}, ${keyId === null ? 'null' : quoted(keyId)}, ${quoted(hash)}) returning position`,
    );
  }
  const last = rows.at(-1);
  await database.query(
    `update traffic_split set head_position = ${last?.position ?? 0}, head_hash = ${quoted(last?.hash ?? noHash)} returning id`,
  );
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
