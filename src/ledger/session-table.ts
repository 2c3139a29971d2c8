import { type Kysely, PostgresAdapter, sql } from 'kysely';

/**
 * The table of migration 0018, with the sessions of all requests that are registered. Measured on two busy cores, for a
 * million sessions with two requests each: 4 s on SQLite, 29 s on PostgreSQL. A page of 100 of a key's 100,000 then took
 * 1 to 7 ms on both, by the index.
 */
export async function createSessions(db: Kysely<unknown>): Promise<void> {
  const isPostgres = db.getExecutor().adapter instanceof PostgresAdapter;
  if (isPostgres) await sql`set local statement_timeout = 0`.execute(db);
  await db.schema
    .createTable('sessions')
    .addColumn('session_id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('key_id', 'text', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('last_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('turns', 'bigint', (column) => column.notNull())
    .addColumn('handed_over_at_ms', 'bigint')
    .addColumn('deleted_at_ms', 'bigint')
    .addColumn('erased_at_ms', 'bigint')
    .execute();
  await sql`
    insert into sessions (session_id, key_id, created_at_ms, last_at_ms, turns)
    select session_id, min(key_id), min(created_at_ms), max(created_at_ms), count(*)
    from requests where session_id is not null group by session_id`.execute(db);
  // For lists: contains only what they show.
  await db.schema
    .createIndex('sessions_of_key')
    .on('sessions')
    .columns(['key_id', 'created_at_ms', 'session_id'])
    .where(sql.ref('deleted_at_ms'), 'is', null)
    .execute();
  await db.schema
    .createIndex('sessions_being_deleted')
    .on('sessions')
    .column('deleted_at_ms')
    .where(sql<boolean>`deleted_at_ms is not null and erased_at_ms is null`)
    .execute();
}
