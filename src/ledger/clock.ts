import { PostgresAdapter, type RawBuilder, sql } from 'kysely';
import type { LedgerDatabase } from './schema';

/**
 * The given time, or the time of the database, whose clock is the same for every process. An expression, so that reading it
 * takes no extra statement. Constant within a statement, and in PostgreSQL within a transaction.
 */
export function timeMs(db: LedgerDatabase, atMs?: number): RawBuilder<number> {
  if (atMs !== undefined) return sql<number>`cast(${atMs} as bigint)`;
  return isPostgres(db)
    ? sql<number>`cast(extract(epoch from now()) * 1000 as bigint)`
    : sql<number>`cast(round(unixepoch('subsec') * 1000) as bigint)`;
}

export function isPostgres(db: LedgerDatabase): boolean {
  return db.getExecutor().adapter instanceof PostgresAdapter;
}

/** The time of the database. */
export async function nowMs(db: LedgerDatabase): Promise<number> {
  return (await db.selectNoFrom(timeMs(db).as('nowMs')).executeTakeFirstOrThrow()).nowMs;
}
