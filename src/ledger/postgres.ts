import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely';
import { Pool, TypeOverrides, types } from 'pg';
import { exactInteger } from './money';
import { sha256 } from '../platform/sha256';
import type { LedgerDatabase, LedgerTables } from './schema';

/** Transactions wait milliseconds for rows locked by others; ten per process are enough to keep the hot day row busy. */
const maxConnections = 10;

/** Includes waiting for a free connection, so it is longer than connecting alone would need. */
const connectTimeoutMs = 10_000;

/** The only statement that takes seconds is a cost summary over many millions of rows. */
const statementTimeoutMs = 30_000;

/** A process that freezes inside a transaction must not keep the day's row locked. */
const idleInTransactionTimeoutMs = 10_000;

/** Connects on first use. */
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
  // When a connection breaks, its query fails, which is handled there, and it leaves the pool. Pool and client also emit
  // `error` events, which would end the process if there were no listener.
  pool.on('error', ignoreBrokenConnection);
  pool.on('connect', (client) => void client.on('error', ignoreBrokenConnection));
  return new Kysely<LedgerTables>({ dialect: new PostgresDialect({ pool: preparingStatements(pool) }) });
}

function ignoreBrokenConnection(): void {
  // The failing query reports it; for an idle connection, no report is needed.
}

/**
 * Gives every statement with parameters a name, so that each connection parses and plans it only once: measured, this saves
 * a third of the server's CPU time per turn. The name is a digest, because a shared pooler needs the same name in every
 * process. Their number is bounded: see statement-sizes.ts. Statements list their columns: a prepared `select *` fails once a
 * migration adds one.
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
