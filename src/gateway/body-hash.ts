import { createHmac, hkdfSync } from 'node:crypto';
import type { KeyRing } from '../contract/key-ring';
import { canonicalJson } from '../domain/canonical-json';
import { sha256 } from '../platform/sha256';

/** Stored for a request without an Idempotency-Key, and in place of a hash that is no longer kept. */
const notKept = '';

/**
 * Tells whether a request with a known Idempotency-Key is the same request. With a plain hash, anyone who can read the
 * ledger could test guesses at short messages. So the hash also covers the Idempotency-Key, which the ledger does not
 * have, and is keyed with a key derived from the encryption key, if there is one. Stored as `id:hash`; without an
 * encryption key, the id is empty.
 */
export class BodyHashes {
  private readonly derived: ReadonlyMap<string, Uint8Array>;
  private readonly activeKeyId: string;

  constructor(encryption: KeyRing | undefined) {
    this.activeKeyId = encryption?.activeKeyId ?? '';
    this.derived = new Map([
      ['', new Uint8Array()],
      ...[...(encryption?.keys ?? [])].map(([id, key]) => [id, derivedFrom(key)] as const),
    ]);
  }

  of(idempotencyKey: string | null, request: object): string {
    return idempotencyKey === null ? notKept : this.keyed(this.activeKeyId, idempotencyKey, request);
  }

  /** `unknown`: the hash is no longer kept, or its key is gone. */
  compare(stored: string, idempotencyKey: string, request: object): 'same' | 'other' | 'unknown' {
    if (stored === notKept) return 'unknown';
    const [keyId, hash] = stored.split(':', 2);
    // Written by an older version: only the hash, without a key.
    if (keyId === undefined || hash === undefined) {
      return stored === sha256(canonicalJson(request)) ? 'same' : 'other';
    }
    if (!this.derived.has(keyId)) return 'unknown';
    return stored === this.keyed(keyId, idempotencyKey, request) ? 'same' : 'other';
  }

  private keyed(keyId: string, idempotencyKey: string, request: object): string {
    const mac = createHmac('sha256', this.derived.get(keyId) ?? '');
    return `${keyId}:${mac.update(JSON.stringify([idempotencyKey, canonicalJson(request)])).digest('hex')}`;
  }
}

function derivedFrom(key: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, '', 'bellwether: hash of a request', 32));
}
