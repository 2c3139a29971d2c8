import { createHash } from 'node:crypto';

/**
 * A user's bucket as the migration guide defines it, 1 to 100: the MD5 of the id, as one big integer, mod 100, plus 1. So
 * every rollout begins with the same users. A salt goes before the id and mixes the users anew.
 */
export function userBucket(userId: string, salt: string | null = null): number {
  const digest = createHash('md5')
    .update(salt === null ? userId : `${salt}/${userId}`, 'utf8')
    .digest('hex');
  return Number(BigInt(`0x${digest}`) % 100n) + 1;
}
