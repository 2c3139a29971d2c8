import { createHash } from 'node:crypto';

/** The migration guide's bucket of a user, 1 to 100: MD5 of the id, as one big number, mod 100, plus 1. */
export function userBucket(userId: string): number {
  const digest = createHash('md5').update(userId, 'utf8').digest('hex');
  return Number(BigInt(`0x${digest}`) % 100n) + 1;
}
