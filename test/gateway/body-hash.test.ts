import { randomBytes } from 'node:crypto';
import type { KeyRing } from '../../src/contract/key-ring';
import { canonicalJson } from '../../src/domain/canonical-json';
import { BodyHashes } from '../../src/gateway/body-hash';
import { sha256 } from '../../src/platform/sha256';

const hello = { body: { messages: [{ role: 'user', content: 'yes' }] } };
const goodbye = { body: { messages: [{ role: 'user', content: 'no' }] } };
const [october, november] = [new Uint8Array(randomBytes(32)), new Uint8Array(randomBytes(32))];

function ring(...entries: readonly (readonly [string, Uint8Array])[]): KeyRing {
  return { activeKeyId: entries[0]![0], keys: new Map(entries) };
}

const encrypted = new BodyHashes(ring(['october', october]));
const plain = new BodyHashes(undefined);

test.each([
  ['with encryption keys', encrypted],
  ['without', plain],
])('a hash tells a request from another one, and cannot be made from the request alone, %s', (_, hashes) => {
  const stored = hashes.of('key', hello);
  expect(hashes.compare(stored, 'key', hello)).toBe('same');
  expect(hashes.compare(stored, 'key', goodbye)).toBe('other');
  expect(stored).not.toContain(sha256(canonicalJson(hello)));
  expect(hashes.of('other key', hello)).not.toBe(stored);
});

test('a hash depends on the encryption key, so that a guessable Idempotency-Key is not enough', () => {
  const other = new BodyHashes(ring(['october', november]));
  expect(other.of('order-42', hello)).not.toBe(encrypted.of('order-42', hello));
  expect(plain.of('order-42', hello)).not.toBe(encrypted.of('order-42', hello));
});

test('a request without an Idempotency-Key has no hash', () => {
  expect(encrypted.of(null, hello)).toBe('');
});

test('hashes of before a rotation, of before encryption and of an older version are still compared', () => {
  const rotated = new BodyHashes(ring(['november', november], ['october', october]));
  for (const stored of [encrypted.of('key', hello), plain.of('key', hello), sha256(canonicalJson(hello))]) {
    expect(rotated.compare(stored, 'key', hello)).toBe('same');
    expect(rotated.compare(stored, 'key', goodbye)).toBe('other');
  }
});

test('where it cannot be told any more, nothing is claimed', () => {
  expect(encrypted.compare('', 'key', goodbye)).toBe('unknown');
  const withoutOctober = new BodyHashes(ring(['november', november]));
  expect(withoutOctober.compare(encrypted.of('key', hello), 'key', goodbye)).toBe('unknown');
});
