import { sql } from 'kysely';
import { userOf } from './first-calls';
import type { ObservedTraffic } from './rollouts';
import type { LedgerDatabase } from './schema';

/** See `Rollouts.traffic`. */
export async function observedTraffic(db: LedgerDatabase, sinceMs: number): Promise<readonly ObservedTraffic[]> {
  return db
    .selectFrom('turns')
    .where('admitted_at_ms', '>=', sinceMs)
    .select(['arm', sql<number>`count(*)`.as('turns'), sql<number>`count(distinct ${userOf})`.as('users')])
    .groupBy('arm')
    .orderBy('arm')
    .execute();
}
