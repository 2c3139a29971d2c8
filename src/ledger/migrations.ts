import { DEFAULT_MIGRATION_TABLE, type Kysely, type Migration, Migrator, PostgresAdapter, sql } from 'kysely';
import { createPageTables } from './page-tables';
import { createSessions } from './session-table';
import type { LedgerDatabase } from './schema';

/**
 * Applied once each, in the order of their names, and never edited afterwards: a change is a new entry. Only column types
 * that mean the same in SQLite and PostgreSQL are used; nano-dollars and milliseconds are `bigint`.
 */
export const migrations: Record<string, Migration> = {
  '0001_turns_attempts_budgets': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable('turns')
        .addColumn('turn_id', 'text', (column) => column.primaryKey().notNull())
        .addColumn('session_id', 'text')
        .addColumn('user_id', 'text')
        .addColumn('arm', 'text', (column) => column.notNull())
        .addColumn('outcome', 'text')
        .addColumn('target', 'text')
        .addColumn('model', 'text')
        .addColumn('error', 'text')
        .addColumn('refused_by', 'text')
        .addColumn('refused_request_id', 'text')
        .addColumn('admitted_at_ms', 'bigint')
        .addColumn('ended_at_ms', 'bigint')
        .execute();
      await db.schema
        .createTable('attempts')
        .addColumn('turn_id', 'text', (column) => column.notNull().references('turns.turn_id'))
        .addColumn('attempt', 'integer', (column) => column.notNull())
        .addColumn('request_id', 'text', (column) => column.notNull().unique())
        .addColumn('owner', 'text', (column) => column.notNull())
        .addColumn('session_id', 'text')
        .addColumn('day', 'text', (column) => column.notNull())
        .addColumn('arm', 'text', (column) => column.notNull())
        .addColumn('target', 'text', (column) => column.notNull())
        .addColumn('provider', 'text', (column) => column.notNull())
        .addColumn('model', 'text', (column) => column.notNull())
        .addColumn('state', 'text', (column) => column.notNull())
        .addColumn('reserved_nano_usd', 'bigint', (column) => column.notNull())
        .addColumn('cost_nano_usd', 'bigint', (column) => column.notNull().defaultTo(0))
        .addColumn('prompt_tokens', 'integer', (column) => column.notNull().defaultTo(0))
        .addColumn('cached_prompt_tokens', 'integer', (column) => column.notNull().defaultTo(0))
        .addColumn('completion_tokens', 'integer', (column) => column.notNull().defaultTo(0))
        .addColumn('outcome', 'text')
        .addColumn('http_status', 'integer')
        .addColumn('latency_ms', 'bigint')
        .addColumn('started_at_ms', 'bigint', (column) => column.notNull())
        .addColumn('ended_at_ms', 'bigint')
        .addPrimaryKeyConstraint('attempts_pk', ['turn_id', 'attempt'])
        .execute();
      // For postAbandonedReservations: contains only the calls in flight.
      await db.schema
        .createIndex('attempts_reserved')
        .on('attempts')
        .column('started_at_ms')
        .where(sql.ref('state'), '=', sql.lit('reserved'))
        .execute();
      await db.schema
        .createTable('budgets')
        .addColumn('scope', 'text', (column) => column.primaryKey().notNull())
        .addColumn('spent_nano_usd', 'bigint', (column) => column.notNull().check(sql`spent_nano_usd >= 0`))
        .addColumn('reserved_nano_usd', 'bigint', (column) => column.notNull().check(sql`reserved_nano_usd >= 0`))
        .addColumn('closed_at_ms', 'bigint')
        .execute();
    },
  },
  '0002_rollouts': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema.alterTable('turns').addColumn('rollout', 'text').execute();
      await db.schema.alterTable('turns').addColumn('bake', 'integer').execute();
      // Partial, so that turns outside rollouts cost nothing. Both databases use it for the condition `rollout = …`.
      await db.schema
        .createIndex('turns_rollout_bake')
        .on('turns')
        .columns(['rollout', 'bake'])
        .where(sql.ref('rollout'), 'is not', null)
        .execute();
      // For the recent traffic, which `rollout watch` polls.
      await db.schema.createIndex('turns_admitted_at_ms').on('turns').column('admitted_at_ms').execute();
      await db.schema
        .createTable('traffic_split')
        .addColumn('id', 'integer', (column) => column.primaryKey().notNull())
        .addColumn('rollout', 'text')
        .addColumn('baseline_arm', 'text', (column) => column.notNull())
        .addColumn('canary_arm', 'text', (column) => column.notNull())
        .addColumn('percent', 'integer', (column) => column.notNull())
        .addColumn('bake', 'integer', (column) => column.notNull())
        .addColumn('active', 'integer', (column) => column.notNull())
        .addColumn('head_position', 'integer', (column) => column.notNull())
        .addColumn('head_hash', 'text', (column) => column.notNull())
        .addColumn('changed_at_ms', 'bigint', (column) => column.notNull())
        .execute();
      // The only row exists from the beginning, because every recording transaction locks it.
      await sql`
        insert into traffic_split
          (id, rollout, baseline_arm, canary_arm, percent, bake, active, head_position, head_hash, changed_at_ms)
        values (1, null, '', '', 0, 0, 0, 0, ${sql.lit('0'.repeat(64))}, 0)`.execute(db);
      await db.schema
        .createTable('rollout_audit')
        .addColumn('position', 'integer', (column) => column.primaryKey().notNull())
        .addColumn('rollout', 'text', (column) => column.notNull())
        .addColumn('sequence', 'integer', (column) => column.notNull())
        .addColumn('at_ms', 'bigint', (column) => column.notNull())
        .addColumn('actor', 'text', (column) => column.notNull())
        .addColumn('action', 'text', (column) => column.notNull())
        .addColumn('reason', 'text', (column) => column.notNull())
        .addColumn('entry', 'text', (column) => column.notNull())
        .addColumn('previous_hash', 'text', (column) => column.notNull())
        .addColumn('hash', 'text', (column) => column.notNull())
        .addUniqueConstraint('rollout_audit_sequence', ['rollout', 'sequence'])
        .execute();
    },
  },
  '0003_gateway': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable('api_keys')
        .addColumn('id', 'text', (column) => column.primaryKey().notNull())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('role', 'text', (column) => column.notNull())
        .addColumn('secret_hash', 'text', (column) => column.notNull())
        .addColumn('day_nano_usd', 'bigint')
        .addColumn('total_nano_usd', 'bigint')
        .addColumn('models', 'text')
        .addColumn('requests_per_minute', 'integer')
        .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
        .addColumn('expires_at_ms', 'bigint')
        .addColumn('revoked_at_ms', 'bigint')
        .execute();
      await db.schema
        .createTable('requests')
        .addColumn('turn_id', 'text', (column) => column.primaryKey().notNull())
        .addColumn('key_id', 'text', (column) => column.notNull())
        .addColumn('session_id', 'text')
        .addColumn('idempotency_key_hash', 'text')
        .addColumn('body_hash', 'text', (column) => column.notNull())
        .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
        // Requests without an idempotency key do not conflict: null does not equal null in either database.
        .addUniqueConstraint('requests_idempotency_key', ['key_id', 'idempotency_key_hash'])
        .execute();
      await db.schema.alterTable('attempts').addColumn('key_id', 'text').execute();
    },
  },
  '0004_claimed_usage': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema.alterTable('attempts').addColumn('usage_note', 'text').execute();
      // In SQLite, integers have 64 bits whatever the declared type.
      if (db.getExecutor().adapter instanceof PostgresAdapter) await widenTokenColumns(db);
    },
  },
  '0005_images': {
    async up(db: Kysely<unknown>): Promise<void> {
      const isPostgres = db.getExecutor().adapter instanceof PostgresAdapter;
      await db.schema
        .createTable('images')
        .addColumn('key_id', 'text', (column) => column.notNull())
        .addColumn('id', 'text', (column) => column.notNull())
        .addColumn('size', 'bigint', (column) => column.notNull())
        .addColumn('data', isPostgres ? 'bytea' : 'blob', (column) => column.notNull())
        .addColumn('expires_at_ms', 'bigint', (column) => column.notNull())
        .addPrimaryKeyConstraint('images_pk', ['key_id', 'id'])
        .execute();
      await db.schema.createIndex('images_expires_at_ms').on('images').column('expires_at_ms').execute();
    },
  },
  '0006_keyed_hashes': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema.alterTable('rollout_audit').addColumn('key_id', 'text').execute();
      // For pruning: contains only requests with a body hash.
      await db.schema
        .createIndex('requests_body_hash')
        .on('requests')
        .column('created_at_ms')
        .where(sql.ref('body_hash'), '<>', sql.lit(''))
        .execute();
    },
  },
  '0007_workflow_of_turn': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema.alterTable('turns').addColumn('first_run_id', 'text').execute();
    },
  },
  '0008_labels_and_feedback': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema.alterTable('turns').addColumn('language', 'text').execute();
      await db.schema.alterTable('turns').addColumn('flags', 'text').execute();
      await db.schema.alterTable('attempts').addColumn('first_token_ms', 'bigint').execute();
      await db.schema
        .createTable('feedback')
        .addColumn('turn_id', 'text', (column) => column.primaryKey().notNull().references('turns.turn_id'))
        .addColumn('signal', 'text', (column) => column.notNull())
        .addColumn('at_ms', 'bigint', (column) => column.notNull())
        .addColumn('is_counted', 'integer', (column) => column.notNull())
        .addColumn('counted_signal', 'text')
        .execute();
      // For the analysis: contains only what it has not counted yet.
      await db.schema
        .createIndex('feedback_uncounted')
        .on('feedback')
        .column('at_ms')
        .where(sql.ref('is_counted'), '=', sql.lit(0))
        .execute();
    },
  },
  '0009_rescue': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .alterTable('traffic_split')
        .addColumn('rescue', 'integer', (column) => column.notNull().defaultTo(0))
        .execute();
      await db.schema.alterTable('traffic_split').addColumn('salt', 'text').execute();
      await db.schema.alterTable('turns').addColumn('rescued_by', 'text').execute();
    },
  },
  '0010_evidence_by_users': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema.alterTable('turns').addColumn('replaced_outcome', 'text').execute();
      await db.schema.alterTable('attempts').addColumn('user_call', 'integer').execute();
      await db.schema.alterTable('attempts').addColumn('in_rollout_exposure', 'integer').execute();
      for (const limit of ['user_window_ms', 'longest_call_ms', 'max_requests_per_user']) {
        await db.schema.alterTable('traffic_split').addColumn(limit, 'bigint').execute();
      }
      await db.schema
        .createTable('rollout_users')
        .addColumn('rollout', 'text', (column) => column.notNull())
        .addColumn('bake', 'integer', (column) => column.notNull())
        .addColumn('arm', 'text', (column) => column.notNull())
        .addColumn('user_id', 'text', (column) => column.notNull())
        .addColumn('language', 'text', (column) => column.notNull())
        .addColumn('key_id', 'text')
        .addColumn('first_at_ms', 'bigint', (column) => column.notNull())
        .addColumn('closes_at_ms', 'bigint', (column) => column.notNull())
        .addColumn('turns', 'bigint', (column) => column.notNull())
        .addColumn('exposed_turns', 'bigint', (column) => column.notNull())
        .addColumn('successes', 'bigint', (column) => column.notNull().defaultTo(0))
        .addColumn('faults', 'bigint', (column) => column.notNull().defaultTo(0))
        .addColumn('declined', 'bigint', (column) => column.notNull().defaultTo(0))
        .addColumn('answers', 'bigint', (column) => column.notNull().defaultTo(0))
        .addColumn('cost_nano_usd', 'bigint', (column) => column.notNull().defaultTo(0))
        .addColumn('total_answers', 'bigint', (column) => column.notNull().defaultTo(0))
        .addColumn('total_cost_nano_usd', 'bigint', (column) => column.notNull().defaultTo(0))
        .addColumn('first_call', 'text')
        .addColumn('first_latency_ms', 'bigint')
        .addColumn('first_token_ms', 'bigint')
        .addColumn('first_flags', 'text')
        .addColumn('up', 'bigint', (column) => column.notNull().defaultTo(0))
        .addColumn('down', 'bigint', (column) => column.notNull().defaultTo(0))
        .addColumn('handoff', 'bigint', (column) => column.notNull().defaultTo(0))
        .addColumn('resolved', 'bigint', (column) => column.notNull().defaultTo(0))
        .addColumn('last_call_at_ms', 'bigint')
        .addColumn('due_at_ms', 'bigint')
        .addColumn('counted', 'text')
        .addPrimaryKeyConstraint('rollout_users_pk', ['rollout', 'bake', 'arm', 'user_id'])
        .execute();
      // For folding: contains only rows that changed since, and users who are still to be closed.
      await db.schema
        .createIndex('rollout_users_due')
        .on('rollout_users')
        .columns(['rollout', 'due_at_ms'])
        .where(sql.ref('due_at_ms'), 'is not', null)
        .execute();
      // For excluded windows.
      await db.schema
        .createIndex('rollout_users_first_at_ms')
        .on('rollout_users')
        .columns(['rollout', 'first_at_ms'])
        .execute();
      await db.schema
        .createTable('rollout_tallies')
        .addColumn('rollout', 'text', (column) => column.notNull())
        .addColumn('bake', 'integer', (column) => column.notNull())
        .addColumn('arm', 'text', (column) => column.notNull())
        .addColumn('language', 'text', (column) => column.notNull())
        .addColumn('counts', 'text', (column) => column.notNull())
        .addColumn('newest_at_ms', 'bigint')
        .addPrimaryKeyConstraint('rollout_tallies_pk', ['rollout', 'bake', 'arm', 'language'])
        .execute();
      await db.schema
        .createTable('rollout_key_users')
        .addColumn('rollout', 'text', (column) => column.notNull())
        .addColumn('bake', 'integer', (column) => column.notNull())
        .addColumn('arm', 'text', (column) => column.notNull())
        .addColumn('key_id', 'text', (column) => column.notNull())
        .addColumn('users', 'bigint', (column) => column.notNull())
        .addPrimaryKeyConstraint('rollout_key_users_pk', ['rollout', 'bake', 'arm', 'key_id'])
        .execute();
      // For the key with the most users.
      await db.schema
        .createIndex('rollout_key_users_most')
        .on('rollout_key_users')
        .columns(['rollout', 'bake', 'arm', 'users'])
        .execute();
      await db.schema
        .createTable('rollout_folds')
        .addColumn('rollout', 'text', (column) => column.primaryKey().notNull())
        .addColumn('excluded', 'text', (column) => column.notNull())
        .addColumn('marked_excluded', 'text', (column) => column.notNull())
        .addColumn('exposed_for_ms', 'bigint', (column) => column.notNull())
        .execute();
    },
  },
  '0011_failures_that_were_asked_for': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema.alterTable('attempts').addColumn('may_be_asked_for', 'integer').execute();
    },
  },
  '0012_page_data': { up: createPageTables },
  '0013_page_sessions': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable('page_sessions')
        .addColumn('id_hash', 'text', (column) => column.primaryKey().notNull())
        .addColumn('key_id', 'text', (column) => column.notNull())
        .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
        .addColumn('expires_at_ms', 'bigint', (column) => column.notNull())
        .execute();
    },
  },
  '0014_notifications': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable('notification_cursors')
        .addColumn('name', 'text', (column) => column.primaryKey().notNull())
        .addColumn('position', 'bigint', (column) => column.notNull())
        .execute();
      await db.schema
        .createTable('notifications')
        .addColumn('number', 'bigint', (column) => column.primaryKey().notNull())
        .addColumn('id', 'text', (column) => column.notNull().unique())
        .addColumn('event', 'text', (column) => column.notNull())
        .addColumn('rollout', 'text')
        .addColumn('repeat_key', 'text', (column) => column.notNull())
        .addColumn('content', 'text', (column) => column.notNull())
        .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex('notifications_repeat_key')
        .on('notifications')
        .columns(['repeat_key', 'created_at_ms'])
        .execute();
      await db.schema
        .createTable('notification_deliveries')
        .addColumn('target', 'text', (column) => column.notNull())
        .addColumn('number', 'bigint', (column) =>
          column.notNull().references('notifications.number').onDelete('cascade'),
        )
        .addColumn('queue', 'text', (column) => column.notNull())
        .addColumn('attempts', 'integer', (column) => column.notNull().defaultTo(0))
        .addColumn('next_at_ms', 'bigint', (column) => column.notNull())
        .addColumn('ended_at_ms', 'bigint')
        .addColumn('is_delivered', 'integer', (column) => column.notNull().defaultTo(0))
        .addColumn('last_error', 'text')
        .addPrimaryKeyConstraint('notification_deliveries_pk', ['target', 'number'])
        .execute();
      // For deleting notifications.
      await db.schema
        .createIndex('notification_deliveries_number')
        .on('notification_deliveries')
        .column('number')
        .execute();
      // For claiming: contains only what waits.
      await db.schema
        .createIndex('notification_deliveries_waiting')
        .on('notification_deliveries')
        .columns(['target', 'queue', 'number'])
        .where(sql.ref('ended_at_ms'), 'is', null)
        .execute();
    },
  },
  '0016_faulty_users_by_key': {
    async up(db: Kysely<unknown>): Promise<void> {
      for (const count of ['first_calls', 'first_call_faults', 'faulty_users']) {
        await db.schema
          .alterTable('rollout_key_users')
          .addColumn(count, 'bigint', (column) => column.notNull().defaultTo(0))
          .execute();
      }
      await countFaultsByKey(db);
    },
  },
  '0017_turn_stops': {
    async up(db: Kysely<unknown>): Promise<void> {
      // No reference to `turns`: a turn may be stopped before it is admitted.
      await db.schema
        .createTable('turn_stops')
        .addColumn('turn_id', 'text', (column) => column.primaryKey().notNull())
        .addColumn('asked_at_ms', 'bigint', (column) => column.notNull())
        .execute();
    },
  },
  '0018_sessions': {
    async up(db: Kysely<unknown>): Promise<void> {
      await createSessions(db);
    },
  },
  '0019_cache_writes': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .alterTable('attempts')
        .addColumn('cache_write_tokens', 'bigint', (column) => column.notNull().defaultTo(0))
        .execute();
    },
  },
  '0021_responses': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema.alterTable('requests').addColumn('response', 'text').execute();
    },
  },
};

/** What the users of the current rollout have been counted with so far; those of earlier ones decide nothing any more. */
async function countFaultsByKey(db: Kysely<unknown>): Promise<void> {
  const isPostgres = db.getExecutor().adapter instanceof PostgresAdapter;
  if (isPostgres) await sql`set local statement_timeout = 0`.execute(db);
  const sumOf = (name: string) => {
    const count = isPostgres
      ? sql`counted::json ->> ${sql.lit(name)}`
      : sql`json_extract(counted, ${sql.lit(`$.${name}`)})`;
    return sql`coalesce(sum(cast(${count} as bigint)), 0)`;
  };
  await sql`
    update rollout_key_users
    set first_calls = sums.first_calls, first_call_faults = sums.first_call_faults, faulty_users = sums.faulty_users
    from (
      select rollout, bake, arm, key_id, ${sumOf('firstCalls')} as first_calls,
        ${sumOf('firstCallFaults')} as first_call_faults, ${sumOf('faultyUsers')} as faulty_users
      from rollout_users
      where rollout = (select rollout from traffic_split where id = 1) and key_id is not null and counted is not null
      group by rollout, bake, arm, key_id
    ) as sums
    where rollout_key_users.rollout = sums.rollout and rollout_key_users.bake = sums.bake
      and rollout_key_users.arm = sums.arm and rollout_key_users.key_id = sums.key_id`.execute(db);
}

/**
 * 64 bits for counts that providers report. All three columns in one statement, because PostgreSQL rewrites the whole
 * table: measured, 6 s for a million rows, during which turns wait.
 */
async function widenTokenColumns(db: Kysely<unknown>): Promise<void> {
  await sql`set local statement_timeout = 0`.execute(db);
  await sql`
    alter table attempts
      alter column prompt_tokens type bigint,
      alter column cached_prompt_tokens type bigint,
      alter column completion_tokens type bigint`.execute(db);
  // A connection with a prepared statement for the narrow columns could not run it again ("cached plan must not change
  // result type"). So we terminate it: its worker reconnects, waits for the lock that is held here, and retries.
  await sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and usename = current_user and pid <> pg_backend_pid()
      and application_name = current_setting('application_name')`.execute(db);
}

/**
 * Applies pending migrations in one transaction and returns their names. Several processes may do so at once: with
 * PostgreSQL the migrator takes an advisory lock, with SQLite the transaction is BEGIN IMMEDIATE (see sqlite.ts) and the
 * pending migrations are read inside it.
 */
export async function applyMigrations(db: LedgerDatabase): Promise<readonly string[]> {
  const { error, results } = await migratorOf(db).migrateToLatest();
  if (error !== undefined) throw isOfNewerLedger(error) ? newerLedger(error) : error;
  return (results ?? []).filter((result) => result.status === 'Success').map((result) => result.migrationName);
}

/**
 * The names of the applied and the pending migrations. Changes nothing.
 * @throws when a newer version of Bellwether migrated the ledger
 */
export async function readMigrations(
  db: LedgerDatabase,
): Promise<{ readonly applied: readonly string[]; readonly pending: readonly string[] }> {
  const known = await migratorOf(db).getMigrations();
  const pending = known.filter(({ executedAt }) => executedAt === undefined).map(({ name }) => name);
  if (pending.length === known.length) return { applied: [], pending };
  const { rows } = await sql<{ name: string }>`select name from ${sql.table(DEFAULT_MIGRATION_TABLE)}`.execute(db);
  const applied = rows.map(({ name }) => name);
  if (!applied.every((name) => name in migrations)) throw newerLedger();
  return { applied, pending };
}

function migratorOf(db: LedgerDatabase): Migrator {
  return new Migrator({ db, provider: { getMigrations: () => Promise.resolve(migrations) } });
}

/** For an unknown migration, the migrator reports corrupted migrations; in fact this program is too old. */
function isOfNewerLedger(error: unknown): boolean {
  return error instanceof Error && /previously executed migration .* is missing/.test(error.message);
}

function newerLedger(cause?: unknown): Error {
  return new Error(
    'The ledger was migrated by a newer version of Bellwether. Run that version here, too, or restore a backup of the ' +
      'ledger from before the migration.',
    { cause },
  );
}
