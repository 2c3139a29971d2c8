import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/**
 * The text of an API key, `bw_<id>_<secret>`. The id is no secret: lists, turns and attempts hold it, so that a key can
 * be found and revoked without being shown.
 */
export interface ParsedApiKey {
  readonly id: string;
  readonly secret: string;
}

/** 48 bits: two keys of thousands hardly ever meet, and the ledger refuses the second one if they do. */
const idBytes = 6;

/** 256 bits: nobody guesses it, however often they may try. */
const secretBytes = 32;

const idPattern = /^[0-9a-f]{12}$/;
const keyPattern = /^bw_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;

export interface CreatedApiKey {
  readonly id: string;
  /** The whole key. To be shown once and kept nowhere. */
  readonly text: string;
  /** What is kept instead of the secret. */
  readonly secretHash: string;
}

export function createApiKey(): CreatedApiKey {
  const id = randomBytes(idBytes).toString('hex');
  const secret = randomBytes(secretBytes).toString('base64url');
  return { id, text: `bw_${id}_${secret}`, secretHash: hashSecret(secret).toString('hex') };
}

/** null when the text cannot be a key. */
export function parseApiKey(text: string): ParsedApiKey | null {
  const [, id, secret] = keyPattern.exec(text) ?? [];
  return id === undefined || secret === undefined ? null : { id, secret };
}

export function isApiKeyId(text: string): boolean {
  return idPattern.test(text);
}

/**
 * SHA-256, once. Slow hashes protect passwords, which people choose and others guess; a random secret of 256 bits cannot
 * be guessed from its hash, and every request pays for this.
 */
export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** In a time that tells nothing of where two texts differ, nor of their lengths. */
export function isSameSecret(one: string, other: string): boolean {
  return timingSafeEqual(hashSecret(one), hashSecret(other));
}
