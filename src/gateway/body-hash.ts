import { createHmac, hkdfSync } from 'node:crypto';
import type { KeyRing } from '../contract/key-ring';
import { canonicalJson } from '../domain/canonical-json';
import { sha256 } from '../platform/sha256';

/** What is stored for a request without an Idempotency-Key, and what is left when a hash is no longer kept. */
const notKept = '';

/**
 * Tells whether a request with a known Idempotency-Key is the same request. A plain hash of a body would let whoever
 * reads the ledger test guesses at short messages. So it is made with the Idempotency-Key, which the ledger does not
 * have, and with a key derived from the encryption key, if there is one: `id:hash`, with an empty id without one.
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

  /** True also where it cannot be told: the hash is no longer kept, or its key is gone. */
  isOf(stored: string, idempotencyKey: string | null, request: object): boolean {
    if (stored === notKept || idempotencyKey === null) return true;
    const [keyId, hash] = stored.split(':', 2);
    // Of an older version: the hash alone, without a key.
    if (keyId === undefined || hash === undefined) return stored === sha256(canonicalJson(request));
    return !this.derived.has(keyId) || stored === this.keyed(keyId, idempotencyKey, request);
  }

  private keyed(keyId: string, idempotencyKey: string, request: object): string {
    const mac = createHmac('sha256', this.derived.get(keyId) ?? '');
    return `${keyId}:${mac.update(JSON.stringify([idempotencyKey, canonicalJson(request)])).digest('hex')}`;
  }
}

function derivedFrom(key: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, '', 'bellwether: hash of a request', 32));
}
