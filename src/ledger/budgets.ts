import { sql } from 'kysely';
import type { RefusalScope } from '../contract/turn';
import type { Caps, DaySpending } from '../contract/ledger';
import type { LedgerDatabase } from './schema';
import { nowMs } from './clock';
import { type CountedOn, dayScope, type Scope, scopesOf, sessionScope, utcDay } from './scopes';

/** What a change of an attempt adds to a scope; negative amounts subtract. */
export interface ScopeChange {
  readonly spentNanoUsd: number;
  readonly reservedNanoUsd: number;
}

export interface Refusal {
  readonly scope: RefusalScope;
  readonly remainingNanoUsd: number;
}

export interface CappedScope extends Scope {
  readonly capNanoUsd: number;
}

/** The caps of an API key. null means no cap of its own, or no such key: an admitted turn may still finish after its key is gone. */
export interface KeyCaps {
  readonly totalNanoUsd: number | null;
  readonly dayNanoUsd: number | null;
}

/** More than any amount that a number can hold exactly. */
const noCap = Number.MAX_SAFE_INTEGER;

/** The scopes of an attempt with their caps. `keyCaps` is null without a key. */
export function cappedScopes(on: CountedOn, caps: Caps, keyCaps: KeyCaps | null): readonly CappedScope[] {
  const capOf: Readonly<Record<Scope['kind'], number>> = {
    session: caps.sessionNanoUsd,
    key: keyCaps?.totalNanoUsd ?? noCap,
    'key-day': keyCaps?.dayNanoUsd ?? noCap,
    day: caps.dayNanoUsd,
  };
  return scopesOf(on).map((scope) => ({ ...scope, capNanoUsd: capOf[scope.kind] }));
}

/** Reserves an amount on all of the scopes or on none. The scopes must be in lock order. */
export async function reserveOnScopes(
  trx: LedgerDatabase,
  scopes: readonly CappedScope[],
  amountNanoUsd: number,
): Promise<Refusal | null> {
  // The statement's condition covers existing rows; this one covers first reservations, which insert the rows.
  const isPossible = scopes.every(({ capNanoUsd }) => amountNanoUsd <= capNanoUsd);
  const reserved = isPossible ? await reserveWherePossible(trx, scopes, amountNanoUsd) : [];
  if (reserved.length === scopes.length) return null;
  for (const name of reserved) await changeScope(trx, name, { spentNanoUsd: 0, reservedNanoUsd: -amountNanoUsd });
  return explainRefusal(trx, scopes, amountNanoUsd);
}

/**
 * One conditional statement: the database checks each row's latest version, so no other reservation can get in between, and
 * locks the rows in the given order until the transaction ends. Returns the scopes with enough budget.
 */
async function reserveWherePossible(
  trx: LedgerDatabase,
  scopes: readonly CappedScope[],
  amount: number,
): Promise<readonly string[]> {
  // Cast, because PostgreSQL treats parameters in a case expression as text.
  const caps = scopes.map(({ name, capNanoUsd }) => sql`when ${name} then cast(${capNanoUsd} as bigint)`);
  const cap = sql`case budgets.scope ${sql.join(caps, sql` `)} end`;
  const reserved = await trx
    .insertInto('budgets')
    .values(scopes.map(({ name }) => ({ scope: name, spent_nano_usd: 0, reserved_nano_usd: amount })))
    .onConflict((conflict) =>
      conflict
        .column('scope')
        .doUpdateSet((eb) => ({ reserved_nano_usd: eb('budgets.reserved_nano_usd', '+', amount) }))
        .where('budgets.closed_at_ms', 'is', null)
        .where(sql<boolean>`budgets.spent_nano_usd + budgets.reserved_nano_usd + ${amount} <= ${cap}`),
    )
    .returning('scope')
    .execute();
  return reserved.map(({ scope }) => scope);
}

const refusalScopes: Readonly<Record<Scope['kind'], RefusalScope>> = {
  session: 'session',
  key: 'key',
  'key-day': 'key',
  day: 'day',
};

/** Determines which scope refused; if several did, the widest: day before key, key before session. */
async function explainRefusal(trx: LedgerDatabase, scopes: readonly CappedScope[], amount: number): Promise<Refusal> {
  const names = scopes.map(({ name }) => name);
  const rows = await trx
    .selectFrom('budgets')
    .select(['scope', 'spent_nano_usd', 'reserved_nano_usd', 'closed_at_ms'])
    .where('scope', 'in', names)
    .execute();
  const counted = scopes.map((scope) => {
    const row = rows.find(({ scope: name }) => name === scope.name);
    const spent = row?.spent_nano_usd ?? 0;
    const isFull = spent + (row?.reserved_nano_usd ?? 0) + amount > scope.capNanoUsd;
    return { ...scope, spent, isFull, isClosed: row !== undefined && row.closed_at_ms !== null };
  });
  const day = counted.find(({ kind }) => kind === 'day');
  const remainingNanoUsd = day === undefined ? 0 : remaining(day.capNanoUsd, day.spent);
  if (counted.some(({ isClosed }) => isClosed)) return { scope: 'closed', remainingNanoUsd };
  // Lock order runs from the narrowest scope to the widest.
  const widest = counted.findLast(({ isFull }) => isFull);
  return { scope: refusalScopes[widest?.kind ?? 'session'], remainingNanoUsd };
}

/** Adds a change to a scope and returns its new spent amount. */
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

/** See `Ledger.today`. */
export async function daySpending(db: LedgerDatabase): Promise<DaySpending> {
  const day = utcDay(await nowMs(db));
  const row = await db
    .selectFrom('budgets')
    .select(['spent_nano_usd', 'reserved_nano_usd'])
    .where('scope', '=', dayScope(day))
    .executeTakeFirst();
  return { day, spentNanoUsd: row?.spent_nano_usd ?? 0, reservedNanoUsd: row?.reserved_nano_usd ?? 0 };
}

/** A closed session's row refuses every reservation. Closing it again keeps the first closing time. */
export async function closeSessionScope(db: LedgerDatabase, sessionId: string, atMs: number): Promise<void> {
  await db
    .insertInto('budgets')
    .values({ scope: sessionScope(sessionId), spent_nano_usd: 0, reserved_nano_usd: 0, closed_at_ms: atMs })
    .onConflict((conflict) =>
      conflict.column('scope').doUpdateSet({ closed_at_ms: atMs }).where('budgets.closed_at_ms', 'is', null),
    )
    .execute();
}

/** What is left of a cap; nothing if the cap was lowered below the spent amount. */
export function remaining(capNanoUsd: number, spentNanoUsd: number): number {
  return Math.max(0, capNanoUsd - spentNanoUsd);
}
