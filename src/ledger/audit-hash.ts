import type { AuditRow } from '../contract/rollout-ledger';
import { sha256 } from '../platform/sha256';

/** The previous hash of the first row. */
export const noHash = '0'.repeat(64);

/**
 * SHA-256, in hex, over all columns except the hash itself. Canonical form: a JSON array of the columns in this order, so
 * that different rows always have different texts.
 */
export function auditHash(row: Omit<AuditRow, 'hash'>): string {
  const { position, rollout, sequence, atMs, actor, action, reason, entry, previousHash } = row;
  const columns = [position, rollout, sequence, atMs, actor, action, reason, entry, previousHash];
  return sha256(JSON.stringify(columns));
}
