import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely';
import { Pool, TypeOverrides, types } from 'pg';
import { exactInteger } from './money';
import { sha256 } from '../platform/sha256';
import type { LedgerDatabase, LedgerTables } from './schema';

/** A transaction waits for rows that others hold for milliseconds; ten per process keep the hot day row busy. */
const maxConnections = 10;

/** Covers waiting for a free connection as well, so it is longer than connecting alone would need. */
const connectTimeoutMs = 10_000;

/** No statement of the ledger needs seconds but a cost summary over many million rows. */
const statementTimeoutMs = 30_000;

/** A process that is frozen inside a transaction must not keep the day's row from all others. */
const idleInTransactionTimeoutMs = 10_000;

/** Connects when it is first used. */
export function openPostgres(databaseUrl: string): LedgerDatabase {
  const parsers = new TypeOverrides();
  parsers.setTypeParser(types.builtins.INT8, exactInteger); // text by default
  const pool = new Pool({
    connectionString: databaseUrl,
    application_name: 'bellwether-ledger',
    max: maxConnections,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
    keepAlive: true,
    types: parsers,
  });
  // A connection that breaks fails its query, which is where it is handled, and leaves the pool. Both also emit an
  // `error` event, which without a listener would end the process.
  pool.on('error', ignoreBrokenConnection);
  pool.on('connect', (client) => void client.on('error', ignoreBrokenConnection));
  return new Kysely<LedgerTables>({ dialect: new PostgresDialect({ pool: preparingStatements(pool) }) });
}

function ignoreBrokenConnection(): void {
  // Told by the query that the connection was working on, and to nobody when it was idle.
}

/**
 * Gives every statement with parameters a name, so that each connection parses and plans it once: measured, this saves
 * a third of the server's CPU for a turn. The name is a digest, the same in every process, as a shared pooler needs it.
 * Statements name their columns: a prepared `select *` fails once a migration adds one.
 */
function preparingStatements(pool: Pool): PostgresPool {
  const names = new Map<string, string>();
  const nameOf = (text: string): string => {
    const name = names.get(text) ?? sha256(text).slice(0, 32);
    names.set(text, name);
    return name;
  };
  return {
    async connect() {
      const client = await pool.connect();
      return {
        query: (text: string, values: readonly unknown[]) =>
          client.query(values.length === 0 ? { text } : { name: nameOf(text), text, values: [...values] }),
        release: () => client.release(),
      } as unknown as PostgresPoolClient; // without the overload for cursors, which the ledger does not use
    },
    end: () => pool.end(),
  };
}
