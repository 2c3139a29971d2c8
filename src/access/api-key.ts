import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/**
 * The parts of an API key, `bw_<id>_<secret>`. The id is not secret: it appears in lists, turns and attempts, so that a key
 * can be found and revoked without being shown.
 */
export interface ParsedApiKey {
  readonly id: string;
  readonly secret: string;
}

/** 48 bits: collisions among thousands of keys are very unlikely, and the ledger would refuse the second key. */
const idBytes = 6;

/** 256 bits: infeasible to guess with any number of attempts. */
const secretBytes = 32;

const idPattern = /^[0-9a-f]{12}$/;
const keyPattern = /^bw_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;

export interface CreatedApiKey {
  readonly id: string;
  /** The whole key. Show it once; never store it. */
  readonly text: string;
  /** Stored instead of the secret. */
  readonly secretHash: string;
}

export function createApiKey(): CreatedApiKey {
  const id = randomBytes(idBytes).toString('hex');
  const secret = randomBytes(secretBytes).toString('base64url');
  return { id, text: `bw_${id}_${secret}`, secretHash: hashSecret(secret).toString('hex') };
}

/** null if the text is not in the format of a key. */
export function parseApiKey(text: string): ParsedApiKey | null {
  const [, id, secret] = keyPattern.exec(text) ?? [];
  return id === undefined || secret === undefined ? null : { id, secret };
}

export function isApiKeyId(text: string): boolean {
  return idPattern.test(text);
}

/**
 * A single SHA-256. Slow hashes protect passwords, which people choose and others can guess; a random secret of 256 bits
 * cannot be guessed from its hash, and the hash is computed for every request.
 */
export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** Takes a time that reveals neither where two texts differ nor their lengths. */
export function isSameSecret(one: string, other: string): boolean {
  return timingSafeEqual(hashSecret(one), hashSecret(other));
}
