import { sql } from 'kysely';
import type { RefusalScope } from '../contract/turn';
import type { Caps } from './ledger';
import type { LedgerDatabase } from './schema';

/** What one change of an attempt adds to a scope; negative amounts take away. */
export interface ScopeChange {
  readonly spentNanoUsd: number;
  readonly reservedNanoUsd: number;
}

export interface Refusal {
  readonly scope: RefusalScope;
  readonly remainingNanoUsd: number;
}

/** UTC day of a time, `2026-11-23`. */
export function utcDay(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

export function dayScope(day: string): string {
  return `day:${day}`;
}

export function sessionScope(sessionId: string): string {
  return `session:${sessionId}`;
}

/** All that an API key's turns cost. */
export function keyScope(keyId: string): string {
  return `key:${keyId}`;
}

export function keyDayScope(keyId: string, day: string): string {
  return `${keyScope(keyId)}/${dayScope(day)}`;
}

/**
 * Reserves an amount on the session and the day, or on neither. Every transaction locks rows in the order turn, session,
 * days: so none waits in a circle, and the day's row, which every turn of the service wants, is held shortest.
 */
export async function reserveOnScopes(
  trx: LedgerDatabase,
  sessionId: string | null,
  day: string,
  amountNanoUsd: number,
  caps: Caps,
): Promise<Refusal | null> {
  if (sessionId !== null && !(await reserve(trx, sessionScope(sessionId), amountNanoUsd, caps.sessionNanoUsd))) {
    return explainRefusal(trx, sessionId, day, amountNanoUsd, caps);
  }
  if (await reserve(trx, dayScope(day), amountNanoUsd, caps.dayNanoUsd)) return null;
  if (sessionId !== null) {
    await changeScope(trx, sessionScope(sessionId), { spentNanoUsd: 0, reservedNanoUsd: -amountNanoUsd });
  }
  return explainRefusal(trx, sessionId, day, amountNanoUsd, caps);
}

/** One conditional statement: the database decides on the row's newest version, so no other reservation comes between. */
async function reserve(trx: LedgerDatabase, scope: string, amount: number, cap: number): Promise<boolean> {
  // The condition below guards rows that exist; this one guards the first reservation, which inserts the row.
  if (amount > cap) return false;
  const reserved = await trx
    .insertInto('budgets')
    .values({ scope, spent_nano_usd: 0, reserved_nano_usd: amount, closed_at_ms: null })
    .onConflict((conflict) =>
      conflict
        .column('scope')
        .doUpdateSet((eb) => ({ reserved_nano_usd: eb('budgets.reserved_nano_usd', '+', amount) }))
        .where('budgets.closed_at_ms', 'is', null)
        .where(sql<boolean>`budgets.spent_nano_usd + budgets.reserved_nano_usd + ${amount} <= ${cap}`),
    )
    .returning('scope')
    .executeTakeFirst();
  return reserved !== undefined;
}

/** Says which scope refused; where both do, the day, as the wider one. */
async function explainRefusal(
  trx: LedgerDatabase,
  sessionId: string | null,
  day: string,
  amount: number,
  caps: Caps,
): Promise<Refusal> {
  const scopes = sessionId === null ? [dayScope(day)] : [sessionScope(sessionId), dayScope(day)];
  const rows = await trx
    .selectFrom('budgets')
    .select(['scope', 'spent_nano_usd', 'reserved_nano_usd', 'closed_at_ms'])
    .where('scope', 'in', scopes)
    .execute();
  const dayRow = rows.find((row) => row.scope === dayScope(day));
  const spentToday = dayRow?.spent_nano_usd ?? 0;
  const remainingNanoUsd = remaining(caps.dayNanoUsd, spentToday);
  if (rows.some((row) => row.scope !== dayScope(day) && row.closed_at_ms !== null)) {
    return { scope: 'closed', remainingNanoUsd };
  }
  const dayIsFull = spentToday + (dayRow?.reserved_nano_usd ?? 0) + amount > caps.dayNanoUsd;
  return { scope: dayIsFull ? 'day' : 'session', remainingNanoUsd };
}

/** Adds a change to a scope and returns what is now spent on it. */
export async function changeScope(trx: LedgerDatabase, scope: string, change: ScopeChange): Promise<number> {
  const { spent_nano_usd } = await trx
    .updateTable('budgets')
    .set((eb) => ({
      spent_nano_usd: eb('spent_nano_usd', '+', change.spentNanoUsd),
      reserved_nano_usd: eb('reserved_nano_usd', '+', change.reservedNanoUsd),
    }))
    .where('scope', '=', scope)
    .returning('spent_nano_usd')
    .executeTakeFirstOrThrow();
  return spent_nano_usd;
}

export async function spentOn(trx: LedgerDatabase, scope: string): Promise<number> {
  const row = await trx.selectFrom('budgets').select('spent_nano_usd').where('scope', '=', scope).executeTakeFirst();
  return row?.spent_nano_usd ?? 0;
}

/** A closed session's row refuses every reservation. Closing it again keeps the first time. */
export async function closeSessionScope(db: LedgerDatabase, sessionId: string, atMs: number): Promise<void> {
  await db
    .insertInto('budgets')
    .values({ scope: sessionScope(sessionId), spent_nano_usd: 0, reserved_nano_usd: 0, closed_at_ms: atMs })
    .onConflict((conflict) =>
      conflict.column('scope').doUpdateSet({ closed_at_ms: atMs }).where('budgets.closed_at_ms', 'is', null),
    )
    .execute();
}

/** What the day's cap leaves; a cap that was lowered below what is spent leaves nothing. */
export function remaining(capNanoUsd: number, spentNanoUsd: number): number {
  return Math.max(0, capNanoUsd - spentNanoUsd);
}
