import { type Expression, sql } from 'kysely';
import { turnIdOf } from '../contract/names';
import type {
  AttemptRow,
  CostDimension,
  CostPeriod,
  CostRow,
  CostTotals,
  FlagCounts,
  InvoicedCall,
} from '../contract/ledger';
import type { Spending } from '../contract/rollout-ledger';
import type { AnswerFlag } from '../contract/user-evidence';
import { timeMs } from './clock';
import { flagsIn } from './labels';
import { exactInteger, total } from './money';
import type { LedgerDatabase } from './schema';
import { utcDay } from './scopes';
import { inStatements } from './statement-sizes';

const tokens = sql<number>`prompt_tokens + completion_tokens`;
const confirmed = sql<number>`case when state = 'settled' then cost_nano_usd else 0 end`;
const unconfirmed = sql<number>`case when state = 'unconfirmed' then cost_nano_usd else 0 end`;
const overReserved = sql<number>`
  case when state = 'settled' and cost_nano_usd > reserved_nano_usd then cost_nano_usd - reserved_nano_usd else 0 end`;
const disbelieved = sql<number>`case when state = 'unconfirmed' and usage_note is not null then 1 else 0 end`;
const reserved = sql<number>`reserved_nano_usd`;
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
export async function costTotals(db: LedgerDatabase, period: CostPeriod = {}): Promise<CostTotals> {
  const row = await db
    .selectFrom('attempts')
    .where(isIn(period))
    .select(Object.values(measures))
    .select(sql<number>`count(distinct ${spendingDay})`.as('days'))
    .executeTakeFirstOrThrow();
  const now = await db
    .selectFrom('attempts')
    .where('state', '=', 'reserved')
    .select([total(reserved).as('reserved'), timeMs(db).as('nowMs')])
    .executeTakeFirstOrThrow();
  return { ...amounts(row), reservedNanoUsd: exactInteger(now.reserved), days: row.days, today: utcDay(now.nowMs) };
}

/** Days are texts that sort like dates. */
function isIn({ fromDay, toDay }: CostPeriod) {
  const from = fromDay === undefined ? sql<boolean>`1 = 1` : sql<boolean>`attempts.day >= ${fromDay}`;
  const to = toDay === undefined ? sql<boolean>`1 = 1` : sql<boolean>`attempts.day <= ${toDay}`;
  return sql<boolean>`${from} and ${to}`;
}

/** The key under which attempts without a session, a user or an API key are listed. */
const none = '(none)';

/** Turns from before languages were recorded have none. */
const languageKey = sql<string>`coalesce(turns.language, ${sql.lit(none)})`;

const keys: Record<CostDimension, Expression<string>> = {
  day: sql<string>`attempts.day`,
  month: sql<string>`substr(attempts.day, 1, 7)`,
  session: sql<string>`coalesce(attempts.session_id, ${sql.lit(none)})`,
  user: sql<string>`coalesce(turns.user_id, ${sql.lit(none)})`,
  provider: sql<string>`attempts.provider`,
  target: sql<string>`attempts.target`,
  model: sql<string>`attempts.model`,
  arm: sql<string>`attempts.arm`,
  key: sql<string>`coalesce(attempts.key_id, ${sql.lit(none)})`,
  language: languageKey,
};

const ofTurns: ReadonlySet<CostDimension> = new Set(['user', 'language']);
const ofTime: ReadonlySet<CostDimension> = new Set(['day', 'month']);

/** The columns of a row's keys. */
const keyColumns = ['key0', 'key1', 'key2'] as const;

/** See `Ledger.costsBy`. */
export async function costsBy(
  db: LedgerDatabase,
  dimensions: readonly CostDimension[],
  limit: number,
  period: CostPeriod = {},
): Promise<readonly CostRow[]> {
  if (
    dimensions.length === 0 ||
    dimensions.length > keyColumns.length ||
    new Set(dimensions).size < dimensions.length
  ) {
    throw new RangeError(`Costs can be grouped by 1 to ${keyColumns.length} different dimensions.`);
  }
  const [first] = dimensions;
  const isAlone = dimensions.length === 1;
  const key = (index: number): Expression<string> => {
    const dimension = dimensions[index];
    return dimension === undefined ? sql<string>`''` : keys[dimension];
  };
  const grouped = db
    .selectFrom('attempts')
    .$if(
      dimensions.some((dimension) => ofTurns.has(dimension)),
      (query) => query.innerJoin('turns', 'turns.turn_id', 'attempts.turn_id'),
    )
    .where(isIn(period))
    .select(keyColumns.map((column, index) => sql<string>`${key(index)}`.as(column)))
    .select(Object.values(measures))
    .groupBy(dimensions.map((_, index) => key(index)))
    .limit(limit);
  const isByTime = first !== undefined && ofTime.has(first);
  const ordered = isAlone
    ? isByTime
      ? grouped.orderBy('key0', 'desc')
      : grouped.orderBy('cost', 'desc').orderBy('unconfirmed', 'desc').orderBy('key0')
    : grouped.orderBy('key0').orderBy('key1').orderBy('key2');
  const rows = (await ordered.execute()).map((row) => {
    const parts = keyColumns.slice(0, dimensions.length).map((column) => row[column]);
    return { key: row.key0, ...(!isAlone && { keys: parts }), ...amounts(row) };
  });
  if (isAlone && first === 'language') return withFlags(db, rows, period);
  const nameAt = dimensions.indexOf('key');
  return nameAt < 0 ? rows : withNames(db, rows, nameAt);
}

const dayMs = 24 * 60 * 60 * 1000;

function startOfDayMs(day: string): number {
  return Date.parse(`${day}T00:00:00.000Z`);
}

/** There are few combinations of flags, however many turns carry one. Turns count by the day of their admission. */
async function withFlags(
  db: LedgerDatabase,
  costs: readonly CostRow[],
  { fromDay, toDay }: CostPeriod,
): Promise<readonly CostRow[]> {
  const rows = await db
    .selectFrom('turns')
    .select([languageKey.as('key'), 'flags', sql<number>`count(*)`.as('turns')])
    .where('flags', '<>', '')
    .$if(fromDay !== undefined, (query) => query.where('admitted_at_ms', '>=', startOfDayMs(fromDay ?? '')))
    .$if(toDay !== undefined, (query) => query.where('admitted_at_ms', '<', startOfDayMs(toDay ?? '') + dayMs))
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

/** There are few API keys, however many rows name one. */
async function withNames(db: LedgerDatabase, costs: readonly CostRow[], nameAt: number): Promise<readonly CostRow[]> {
  const idOf = ({ key, keys: parts = [key] }: CostRow): string => parts[nameAt] ?? key;
  const ids = [...new Set(costs.map(idOf))];
  const names = new Map<string, string>();
  for (const some of inStatements(ids)) for (const { id, name } of await selectNames(db, some)) names.set(id, name);
  return costs.map((row) => ({ ...row, name: names.get(idOf(row)) ?? null }));
}

function selectNames(db: LedgerDatabase, ids: readonly string[]) {
  return db.selectFrom('api_keys').select(['id', 'name']).where('id', 'in', ids).execute();
}

/** See `Ledger.volume`. */
export async function volume(db: LedgerDatabase, period: CostPeriod = {}): Promise<readonly Spending[]> {
  const key = ['arm', 'target', 'provider', 'model'] as const;
  const rows = await db
    .selectFrom('attempts')
    .where('state', '=', 'settled')
    .where(isIn(period))
    .select(key)
    .select((eb) => [
      total(eb.ref('prompt_tokens')).as('promptTokens'),
      total(eb.ref('cached_prompt_tokens')).as('cachedPromptTokens'),
      total(eb.ref('cache_write_tokens')).as('cacheWriteTokens'),
      total(eb.ref('completion_tokens')).as('completionTokens'),
      total(eb.ref('cost_nano_usd')).as('costNanoUsd'),
    ])
    .groupBy(key)
    .orderBy('arm')
    .orderBy('target')
    .orderBy('model')
    .execute();
  return rows.map((row) => ({
    ...row,
    promptTokens: exactInteger(row.promptTokens),
    cachedPromptTokens: exactInteger(row.cachedPromptTokens),
    cacheWriteTokens: exactInteger(row.cacheWriteTokens),
    completionTokens: exactInteger(row.completionTokens),
    costNanoUsd: exactInteger(row.costNanoUsd),
  }));
}

/** See `Ledger.endedCalls`. */
export async function endedCalls(
  db: LedgerDatabase,
  period: CostPeriod,
  limit: number,
): Promise<readonly InvoicedCall[]> {
  const rows = await db
    .selectFrom('attempts')
    .where(isIn(period))
    .where('state', '<>', 'reserved')
    .select(['turn_id', 'attempt', 'day', 'provider', 'model', 'state', 'cost_nano_usd as costNanoUsd', 'ended_at_ms'])
    .limit(limit + 1)
    .execute();
  return rows.map(({ turn_id: name, attempt, state, ended_at_ms: endedAtMs, ...row }) => ({
    ...row,
    endedDay: endedAtMs === null ? row.day : utcDay(endedAtMs),
    requestId: `${turnIdOf(name)}.${attempt}`,
    state: state === 'reserved' ? 'unconfirmed' : state,
  }));
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

function amounts(row: Amounts): Omit<CostRow, 'key' | 'keys'> {
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
