import { createHmac } from 'node:crypto';
import type { AuditRow } from '../contract/rollout-ledger';
import { sha256 } from '../platform/sha256';

/** The previous hash of the first row. */
export const noHash = '0'.repeat(64);

/**
 * In hex, over all columns except the hash itself. Canonical form: a JSON array of the columns in this order, so that
 * different rows always have different texts. A row without a key id has a plain SHA-256. A row with one has an
 * HMAC-SHA-256 under that key, which also covers the key id.
 */
export function auditHash(row: Omit<AuditRow, 'hash'>, key?: Uint8Array): string {
  const { position, rollout, sequence, atMs, actor, action, reason, entry, previousHash, keyId } = row;
  const columns = [position, rollout, sequence, atMs, actor, action, reason, entry, previousHash];
  if (keyId === null) return sha256(JSON.stringify(columns));
  if (key === undefined) throw new RangeError(`Audit row ${position} cannot be hashed without key "${keyId}".`);
  return createHmac('sha256', key)
    .update(JSON.stringify([...columns, keyId]))
    .digest('hex');
}
