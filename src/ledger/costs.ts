import { type Expression, sql } from 'kysely';
import { turnIdOf } from '../contract/names';
import type { AttemptRow, CostDimension, CostRow, CostTotals } from '../contract/ledger';
import { timeMs } from './clock';
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
  turns: sql<number>`count(distinct turn_id)`.as('turns'),
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

const keys: Record<CostDimension, Expression<string>> = {
  day: sql<string>`day`,
  session: sql<string>`coalesce(session_id, ${sql.lit(none)})`,
  model: sql<string>`model`,
  arm: sql<string>`arm`,
  key: sql<string>`coalesce(key_id, ${sql.lit(none)})`,
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
  return dimension === 'key' ? withNames(db, costs) : costs;
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
