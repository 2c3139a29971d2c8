import { createHash } from 'node:crypto';
import type { AuditRow } from '../contract/rollout-ledger';

/** The previous hash of the first row. */
export const noHash = '0'.repeat(64);

/**
 * SHA-256, in hex, over all columns except the hash itself. Canonical form: a JSON array of the columns in this order, so
 * that different rows always have different texts.
 */
export function auditHash(row: Omit<AuditRow, 'hash'>): string {
  const { position, rollout, sequence, atMs, actor, action, reason, entry, previousHash } = row;
  const columns = [position, rollout, sequence, atMs, actor, action, reason, entry, previousHash];
  return createHash('sha256').update(JSON.stringify(columns)).digest('hex');
}
