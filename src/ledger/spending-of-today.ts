import type { SpendingOfToday, SpendingRow } from '../contract/page-ledger';
import { nowMs } from './clock';
import { exactInteger, total } from './money';
import type { LedgerDatabase, Runner } from './schema';
import { dayScope, utcDay } from './scopes';
import { padded } from './statement-sizes';
import { firstAdmissionFrom, sliceMs, sliceOf, sumOfDays } from './tally-traffic';
import type { DaySums, SpendingDimension } from './traffic-counts';
import type { OpenSlices } from './traffic-reads';

const maxRows = 50;
/** Of API keys, of which there may be many: beyond these, none is likely to get among the first. */
const maxKeys = 200;

/** A new turn is in no slice until a worker next tallies, some seconds later. */
const usuallyCountedAfterMs = 2 * sliceMs;

/** See `PageReads.spendingOfToday`. */
export async function readSpendingOfToday(run: Runner, slicesOpen: OpenSlices): Promise<SpendingOfToday> {
  const atMs = await run.read(nowMs);
  const day = utcDay(atMs);
  const { finalUntilMs, final, slices } = await slicesOpen.with((db) => readDays(db, day));
  const open = slices.flatMap(({ days }) => days);
  const today = sumOfDays([...final.today, ...open.filter((one) => one.day === day)]);
  const by = {
    arm: rowsOf(today, 'arm'),
    model: rowsOf(today, 'model'),
    key: rowsOf(today, 'key'),
  };
  const spentOn = sumByDay([...final.days, ...open.filter(({ dimension }) => dimension === 'arm')]);
  const budget = await run.read((db) => readBudget(db, day));
  const oldestMs = await run.read((db) => firstAdmissionFrom(db, finalUntilMs));
  const isCounted =
    oldestMs === null ||
    oldestMs > atMs - usuallyCountedAfterMs ||
    slices.some(({ fromMs }) => fromMs === sliceOf(oldestMs));
  return {
    day,
    spentNanoUsd: exactInteger(budget?.spent ?? 0),
    reservedNanoUsd: exactInteger(budget?.reserved ?? 0),
    by,
    keyNames: await run.read((db) =>
      namesOf(
        db,
        by.key.map(({ key }) => key),
      ),
    ),
    total: {
      costNanoUsd: spentOn.reduce((sum, { cost }) => sum + cost, 0),
      days: spentOn.filter(({ cost, unconfirmed }) => cost + unconfirmed > 0).length,
    },
    uncountedFromMs: isCounted ? null : oldestMs,
  };
}

async function readDays(db: LedgerDatabase, day: string) {
  const rows = await db
    .selectFrom('spending_days')
    .select(['dimension', 'day', 'key', 'turns', 'cost_nano_usd as cost', 'unconfirmed_nano_usd as unconfirmed'])
    .where('day', '=', day)
    .where('dimension', 'in', ['arm', 'model'])
    .execute();
  const keys = await db
    .selectFrom('spending_days')
    .select(['dimension', 'day', 'key', 'turns', 'cost_nano_usd as cost', 'unconfirmed_nano_usd as unconfirmed'])
    .where('day', '=', day)
    .where('dimension', '=', 'key')
    .orderBy('cost_nano_usd', 'desc')
    .limit(maxKeys)
    .execute();
  // A row a day and arm.
  const days = await db
    .selectFrom('spending_days')
    .select((eb) => [
      'day',
      total(eb.ref('cost_nano_usd')).as('cost'),
      total(eb.ref('unconfirmed_nano_usd')).as('unconfirmed'),
    ])
    .where('dimension', '=', 'arm')
    .groupBy('day')
    .execute();
  return { today: [...rows, ...keys].map((row) => ({ ...row, dimension: row.dimension as SpendingDimension })), days };
}

function readBudget(db: LedgerDatabase, day: string) {
  return db
    .selectFrom('budgets')
    .select(['spent_nano_usd as spent', 'reserved_nano_usd as reserved'])
    .where('scope', '=', dayScope(day))
    .executeTakeFirst();
}

function rowsOf(sums: readonly DaySums[], dimension: SpendingDimension): readonly SpendingRow[] {
  return sums
    .filter((one) => one.dimension === dimension)
    .map(({ key, turns, cost, unconfirmed }) => ({ key, turns, costNanoUsd: cost, unconfirmedNanoUsd: unconfirmed }))
    .toSorted(
      (one, other) =>
        other.costNanoUsd - one.costNanoUsd ||
        other.unconfirmedNanoUsd - one.unconfirmedNanoUsd ||
        (one.key < other.key ? -1 : 1),
    )
    .slice(0, maxRows);
}

type SpentOnDay = Pick<DaySums, 'day' | 'cost' | 'unconfirmed'>;

function sumByDay(all: readonly SpentOnDay[]): readonly SpentOnDay[] {
  const days = new Map<string, SpentOnDay>();
  for (const { day, cost, unconfirmed } of all) {
    const known = days.get(day);
    days.set(day, { day, cost: (known?.cost ?? 0) + cost, unconfirmed: (known?.unconfirmed ?? 0) + unconfirmed });
  }
  return [...days.values()];
}

async function namesOf(db: LedgerDatabase, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await db.selectFrom('api_keys').select(['id', 'name']).where('id', 'in', padded(ids)).execute();
  return new Map(rows.map(({ id, name }) => [id, name]));
}
