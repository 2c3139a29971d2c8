import { type Selectable, sql } from 'kysely';
import { type KeySession, SessionDeletedError, type Sessions } from '../contract/sessions';
import type { LedgerDatabase, Runner, SessionsTable } from './schema';
import { sessionScope } from './scopes';
import { padded } from './statement-sizes';

export class SqlSessions implements Sessions {
  constructor(private readonly run: Runner) {}

  list(keyId: string, limit: number, after: string | null): Promise<readonly KeySession[] | null> {
    return this.run.read((db) => listSessions(db, keyId, limit, after));
  }

  async find(sessionId: string): Promise<KeySession | null> {
    const [found] = await this.run.read(async (db) => {
      const rows = await db.selectFrom('sessions').selectAll().where('session_id', '=', sessionId).execute();
      return withBudgets(db, rows);
    });
    return found ?? null;
  }

  setHandedOver(sessionId: string, sinceMs: number | null): Promise<void> {
    return this.run.change(async (trx) => {
      await trx
        .updateTable('sessions')
        .set({ handed_over_at_ms: sinceMs })
        .where('session_id', '=', sessionId)
        .execute();
    });
  }

  beginDeletion(sessionId: string, atMs: number): Promise<boolean> {
    return this.run.change(async (trx) => {
      const { numUpdatedRows } = await trx
        .updateTable('sessions')
        .set((eb) => ({ deleted_at_ms: eb.fn.coalesce('deleted_at_ms', eb.val(atMs)), handed_over_at_ms: null }))
        .where('session_id', '=', sessionId)
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    });
  }

  endDeletion(sessionId: string, atMs: number): Promise<void> {
    return this.run.change(async (trx) => {
      await trx
        .updateTable('sessions')
        .set((eb) => ({ erased_at_ms: eb.fn.coalesce('erased_at_ms', eb.val(atMs)) }))
        .where('session_id', '=', sessionId)
        .where('deleted_at_ms', 'is not', null)
        .execute();
    });
  }

  unfinishedDeletions(limit: number): Promise<readonly string[]> {
    return this.run.read(async (db) => {
      const rows = await db
        .selectFrom('sessions')
        .select('session_id')
        .where('deleted_at_ms', 'is not', null)
        .where('erased_at_ms', 'is', null)
        .orderBy('deleted_at_ms')
        .limit(limit)
        .execute();
      return rows.map(({ session_id }) => session_id);
    });
  }
}

/** A turn was registered for a session: its first, or another one. @throws {SessionDeletedError} */
export async function touchSession(trx: LedgerDatabase, sessionId: string, keyId: string, atMs: number): Promise<void> {
  const first = { session_id: sessionId, key_id: keyId, created_at_ms: atMs, last_at_ms: atMs, turns: 1 };
  const touched = await trx
    .insertInto('sessions')
    .values(first)
    .onConflict((conflict) =>
      conflict
        .column('session_id')
        .doUpdateSet((eb) => ({ last_at_ms: atMs, turns: eb('sessions.turns', '+', 1) }))
        .where('sessions.deleted_at_ms', 'is', null),
    )
    .returning('session_id')
    .executeTakeFirst();
  if (touched === undefined) throw new SessionDeletedError();
}

async function listSessions(
  db: LedgerDatabase,
  keyId: string,
  limit: number,
  after: string | null,
): Promise<readonly KeySession[] | null> {
  const page = db
    .selectFrom('sessions')
    .selectAll()
    .where('key_id', '=', keyId)
    .where('deleted_at_ms', 'is', null)
    .orderBy('created_at_ms', 'desc')
    .orderBy('session_id', 'desc')
    .limit(limit);
  if (after === null) return withBudgets(db, await page.execute());
  const place = await db
    .selectFrom('sessions')
    .select(['created_at_ms', 'session_id'])
    .where('session_id', '=', after)
    .where('key_id', '=', keyId)
    .executeTakeFirst();
  if (place === undefined) return null;
  const { created_at_ms, session_id } = place;
  // As one comparison of rows, which both databases take from the index.
  const isBehind = sql<boolean>`(created_at_ms, session_id) < (cast(${created_at_ms} as bigint), ${session_id})`;
  return withBudgets(db, await page.where(isBehind).execute());
}

/** What a session costs and whether it is closed stands with its budget. */
async function withBudgets(
  db: LedgerDatabase,
  rows: readonly Selectable<SessionsTable>[],
): Promise<readonly KeySession[]> {
  if (rows.length === 0) return [];
  const scopes = padded(rows.map(({ session_id }) => sessionScope(session_id)));
  const budgets = await db
    .selectFrom('budgets')
    .select(['scope', 'spent_nano_usd', 'closed_at_ms'])
    .where('scope', 'in', scopes)
    .execute();
  const byScope = new Map(budgets.map((budget) => [budget.scope, budget]));
  return rows.map((row) => {
    const budget = byScope.get(sessionScope(row.session_id));
    const isClosed = row.deleted_at_ms !== null || (budget?.closed_at_ms ?? null) !== null;
    return {
      sessionId: row.session_id,
      keyId: row.key_id,
      createdAtMs: row.created_at_ms,
      lastAtMs: row.last_at_ms,
      state: isClosed ? 'closed' : row.handed_over_at_ms === null ? 'open' : 'handed_over',
      turns: row.turns,
      spentNanoUsd: budget?.spent_nano_usd ?? 0,
      deletedAtMs: row.deleted_at_ms,
    };
  });
}
