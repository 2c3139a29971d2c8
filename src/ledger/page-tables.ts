import { type Kysely, PostgresAdapter, sql } from 'kysely';

/** The tables of migration 0012: sums over turns that the operator's page needs at once, however many turns there are. */
export async function createPageTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('traffic_slices')
    .addColumn('from_ms', 'bigint', (column) => column.notNull())
    .addColumn('rollout', 'text', (column) => column.notNull())
    .addColumn('arm', 'text', (column) => column.notNull())
    .addColumn('counts', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('traffic_slices_pk', ['from_ms', 'rollout', 'arm'])
    .execute();
  await db.schema
    .createTable('traffic_hours')
    .addColumn('rollout', 'text', (column) => column.notNull())
    .addColumn('from_ms', 'bigint', (column) => column.notNull())
    .addColumn('arm', 'text', (column) => column.notNull())
    .addColumn('counts', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('traffic_hours_pk', ['rollout', 'from_ms', 'arm'])
    .execute();
  await db.schema
    .createTable('spending_days')
    .addColumn('dimension', 'text', (column) => column.notNull())
    .addColumn('day', 'text', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('turns', 'bigint', (column) => column.notNull())
    .addColumn('cost_nano_usd', 'bigint', (column) => column.notNull())
    .addColumn('unconfirmed_nano_usd', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('spending_days_pk', ['dimension', 'day', 'key'])
    .execute();
  await db.schema
    .createTable('traffic_progress')
    .addColumn('id', 'integer', (column) => column.primaryKey().notNull())
    .addColumn('final_until_ms', 'bigint', (column) => column.notNull())
    .addColumn('seen_until_ms', 'bigint', (column) => column.notNull())
    .addColumn('tallied_at_ms', 'bigint', (column) => column.notNull())
    .execute();
  await sql`insert into traffic_progress (id, final_until_ms, seen_until_ms, tallied_at_ms) values (1, 0, 0, 0)`.execute(
    db,
  );
  await db.schema
    .createTable('target_states')
    .addColumn('worker', 'text', (column) => column.notNull())
    .addColumn('provider', 'text', (column) => column.notNull())
    .addColumn('model', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('last_success_at_ms', 'bigint')
    .addColumn('at_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('target_states_pk', ['worker', 'provider', 'model'])
    .execute();
  await db.schema
    .createTable('verifications')
    .addColumn('id', 'integer', (column) => column.primaryKey().notNull())
    .addColumn('at_ms', 'bigint', (column) => column.notNull())
    .addColumn('is_intact', 'integer', (column) => column.notNull())
    .addColumn('message', 'text', (column) => column.notNull())
    .addColumn('position', 'integer', (column) => column.notNull())
    .execute();
  await createPageIndexes(db);
}

async function createPageIndexes(db: Kysely<unknown>): Promise<void> {
  // A ledger may have many millions of turns.
  if (db.getExecutor().adapter instanceof PostgresAdapter) await sql`set local statement_timeout = 0`.execute(db);
  // For a session's turns.
  await db.schema
    .createIndex('turns_session')
    .on('turns')
    .columns(['session_id', 'admitted_at_ms'])
    .where(sql.ref('session_id'), 'is not', null)
    .execute();
  // For the list of rollouts, and for what changed in one of them among thousands of analyses that waited.
  await db.schema
    .createIndex('rollout_audit_first')
    .on('rollout_audit')
    .column('position')
    .where(sql.ref('sequence'), '=', sql.lit(1))
    .execute();
  await db.schema
    .createIndex('rollout_audit_changes')
    .on('rollout_audit')
    .columns(['rollout', 'sequence'])
    .where(sql.ref('action'), '<>', sql.lit('wait'))
    .execute();
}
