import { type Expression, sql } from 'kysely';
import { turnIdOf } from '../contract/names';
import type { AttemptRow, CostDimension, CostRow, CostTotals, FlagCounts } from '../contract/ledger';
import type { AnswerFlag } from '../contract/user-evidence';
import { timeMs } from './clock';
import { flagsIn } from './labels';
import { exactInteger, total } from './money';
import type { LedgerDatabase } from './schema';
import { utcDay } from './scopes';

const tokens = sql<number>`prompt_tokens + completion_tokens`;
const confirmed = sql<number>`case when state = 'settled' then cost_nano_usd else 0 end`;
const unconfirmed = sql<number>`case when state = 'unconfirmed' then cost_nano_usd else 0 end`;
const overReserved = sql<number>`
  case when state = 'settled' and cost_nano_usd > reserved_nano_usd then cost_nano_usd - reserved_nano_usd else 0 end`;
const disbelieved = sql<number>`case when state = 'unconfirmed' and usage_note is not null then 1 else 0 end`;
const reserved = sql<number>`case when state = 'reserved' then reserved_nano_usd else 0 end`;
const spendingDay = sql<string>`case when cost_nano_usd > 0 then day end`;

const measures = {
  turns: sql<number>`count(distinct attempts.turn_id)`.as('turns'),
  attempts: sql<number>`count(*)`.as('attempts'),
  tokens: total(tokens).as('tokens'),
  cost: total(confirmed).as('cost'),
  unconfirmed: total(unconfirmed).as('unconfirmed'),
  overReserved: total(overReserved).as('overReserved'),
  disbelieved: total(disbelieved).as('disbelieved'),
};

/** See `Ledger.costTotals`. */
export async function costTotals(db: LedgerDatabase): Promise<CostTotals> {
  const row = await db
    .selectFrom('attempts')
    .select(Object.values(measures))
    .select([total(reserved).as('reserved'), sql<number>`count(distinct ${spendingDay})`.as('days')])
    .select(timeMs(db).as('nowMs'))
    .executeTakeFirstOrThrow();
  return { ...amounts(row), reservedNanoUsd: exactInteger(row.reserved), days: row.days, today: utcDay(row.nowMs) };
}

/** The key under which attempts without a session or an API key are listed. */
const none = '(none)';

/** Turns from before languages were recorded have none. */
const languageKey = sql<string>`coalesce(turns.language, ${sql.lit(none)})`;

const keys: Record<CostDimension, Expression<string>> = {
  day: sql<string>`attempts.day`,
  session: sql<string>`coalesce(attempts.session_id, ${sql.lit(none)})`,
  model: sql<string>`attempts.model`,
  arm: sql<string>`attempts.arm`,
  key: sql<string>`coalesce(attempts.key_id, ${sql.lit(none)})`,
  language: languageKey,
};

/** See `Ledger.costsBy`. */
export async function costsBy(
  db: LedgerDatabase,
  dimension: CostDimension,
  limit: number,
): Promise<readonly CostRow[]> {
  const key = keys[dimension];
  const grouped = db
    .selectFrom('attempts')
    .$if(dimension === 'language', (query) => query.innerJoin('turns', 'turns.turn_id', 'attempts.turn_id'))
    .select(sql<string>`${key}`.as('key'))
    .select(Object.values(measures))
    .groupBy(key)
    .limit(limit);
  const ordered =
    dimension === 'day'
      ? grouped.orderBy('key', 'desc')
      : grouped.orderBy('cost', 'desc').orderBy('unconfirmed', 'desc').orderBy('key');
  const rows = await ordered.execute();
  const costs = rows.map((row) => ({ key: row.key, ...amounts(row) }));
  if (dimension === 'language') return withFlags(db, costs);
  return dimension === 'key' ? withNames(db, costs) : costs;
}

/** There are few combinations of flags, however many turns carry one. */
async function withFlags(db: LedgerDatabase, costs: readonly CostRow[]): Promise<readonly CostRow[]> {
  const rows = await db
    .selectFrom('turns')
    .select([languageKey.as('key'), 'flags', sql<number>`count(*)`.as('turns')])
    .where('flags', '<>', '')
    .groupBy([languageKey, 'flags'])
    .execute();
  return costs.map((row) => ({ ...row, flags: countFlags(rows.filter(({ key }) => key === row.key)) }));
}

function countFlags(rows: readonly { readonly flags: string | null; readonly turns: number }[]): FlagCounts {
  const counts = new Map<AnswerFlag, number>();
  for (const { flags, turns } of rows) {
    for (const flag of flagsIn(flags ?? '')) counts.set(flag, (counts.get(flag) ?? 0) + turns);
  }
  return Object.fromEntries(counts);
}

async function withNames(db: LedgerDatabase, costs: readonly CostRow[]): Promise<readonly CostRow[]> {
  const ids = costs.map(({ key }) => key);
  const rows = ids.length === 0 ? [] : await selectNames(db, ids);
  const names = new Map(rows.map(({ id, name }) => [id, name]));
  return costs.map((row) => ({ ...row, name: names.get(row.key) ?? null }));
}

function selectNames(db: LedgerDatabase, ids: readonly string[]) {
  return db.selectFrom('api_keys').select(['id', 'name']).where('id', 'in', ids).execute();
}

interface Amounts {
  readonly turns: number;
  readonly attempts: number;
  readonly tokens: number;
  readonly cost: number;
  readonly unconfirmed: number;
  readonly overReserved: number;
  readonly disbelieved: number;
}

function amounts(row: Amounts): Omit<CostRow, 'key'> {
  return {
    turns: row.turns,
    attempts: row.attempts,
    tokens: exactInteger(row.tokens),
    costNanoUsd: exactInteger(row.cost),
    unconfirmedNanoUsd: exactInteger(row.unconfirmed),
    overReservedNanoUsd: exactInteger(row.overReserved),
    disbelievedCalls: row.disbelieved,
  };
}

/** See `Ledger.attempts`. Ordered by the time of reservation. */
export async function listAttempts(db: LedgerDatabase, turnName: string | undefined): Promise<readonly AttemptRow[]> {
  const all = db
    .selectFrom('attempts')
    .select(['turn_id as turnName', 'attempt', 'session_id as sessionId', 'key_id as keyId', 'day'])
    .select(['arm', 'target', 'model', 'state'])
    .select(['outcome', 'reserved_nano_usd as reservedNanoUsd', 'cost_nano_usd as costNanoUsd'])
    .select(['prompt_tokens as promptTokens', 'completion_tokens as completionTokens'])
    .select('usage_note as usageNote')
    .orderBy('started_at_ms')
    .orderBy('turn_id')
    .orderBy('attempt');
  const rows = await (turnName === undefined ? all : all.where('turn_id', '=', turnName)).execute();
  return rows.map((row) => ({ ...row, turnId: turnIdOf(row.turnName) }));
}
