import { createHash } from 'node:crypto';

/** A user's bucket as the migration guide defines it, 1 to 100: the MD5 of the id, as one big integer, mod 100, plus 1. */
export function userBucket(userId: string): number {
  const digest = createHash('md5').update(userId, 'utf8').digest('hex');
  return Number(BigInt(`0x${digest}`) % 100n) + 1;
}
