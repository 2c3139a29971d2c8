import { sql } from 'kysely';
import type { ExcludedWindow, Exposure } from '../contract/user-evidence';
import { isPostgres, timeMs } from './clock';
import { updateUsers, wholeRollout } from './rollout-users';
import type { LedgerDatabase } from './schema';
import { inStatements, padded } from './statement-sizes';
import { addTo, type Counts, countedColumns, countsOf, fromJson, toJson, type UserRow } from './user-counts';

/** Lets the users of a rollout be folded. */
export async function beginFolding(trx: LedgerDatabase, rollout: string, exposure: Exposure): Promise<void> {
  const exposedForMs = exposure.userWindowMs + exposure.longestCallMs;
  await trx
    .insertInto('rollout_folds')
    .values({ rollout, excluded: '[]', marked_excluded: '[]', exposed_for_ms: exposedForMs })
    .onConflict((conflict) => conflict.column('rollout').doNothing())
    .execute();
}

/**
 * Folds up to `limit` users that have changed, or are closed by now, into the tallies of their rollout, and returns how many
 * there were. Exactly once: what a user has added is kept in the same transaction. The row in `rollout_folds` lets one
 * process at a time do it: the others wait, or leave it to that one.
 */
export async function foldUsers(
  trx: LedgerDatabase,
  rollout: string,
  limit: number,
  atMs: number | undefined,
  when: 'always' | 'unless-locked' = 'always',
): Promise<number> {
  const fold = await lockFold(trx, rollout, atMs, when);
  if (fold === undefined) return 0;
  const rows = await lockDueUsers(trx, rollout, limit, fold.atMs);
  if (rows.length === 0) return 0;
  const changes = rows.map((row) => {
    const counted = fromJson(row.counted);
    return { row, counted, counts: countsOf(row, fold.excluded, fold.atMs) };
  });
  await addToTallies(trx, rollout, changes);
  await addToKeys(trx, changes);
  await keepCounted(trx, changes, fold.atMs);
  return rows.length;
}

interface Change {
  readonly row: UserRow;
  /** What the row has added so far. */
  readonly counted: Counts;
  /** What it must have added afterwards. */
  readonly counts: Counts;
}

interface Fold {
  readonly atMs: number;
  readonly excluded: readonly ExcludedWindow[];
  /** The windows whose users have been marked. */
  readonly marked: readonly ExcludedWindow[];
  readonly exposedForMs: number;
}

/** Takes a transaction that may write: in SQLite there is only one at a time, so it needs no locks. */
export async function lockFold(
  trx: LedgerDatabase,
  rollout: string,
  atMs?: number,
  when: 'always' | 'unless-locked' = 'always',
): Promise<Fold | undefined> {
  const fold = trx
    .selectFrom('rollout_folds')
    .where('rollout', '=', rollout)
    .select(['excluded', 'marked_excluded as marked', 'exposed_for_ms as exposedForMs'])
    .select(timeMs(trx, atMs).as('atMs'))
    .$if(isPostgres(trx), (query) => query.forUpdate())
    .$if(isPostgres(trx) && when === 'unless-locked', (query) => query.skipLocked());
  const row = await fold.executeTakeFirst();
  return row && { ...row, excluded: windowsIn(row.excluded), marked: windowsIn(row.marked) };
}

function windowsIn(json: string): readonly ExcludedWindow[] {
  return JSON.parse(json) as readonly ExcludedWindow[];
}

/**
 * Leaves out users whose rows a turn has locked: that turn makes them due again, and to wait for it would hold up the turns of
 * all users that are locked already. SQLite has one writer at a time and needs no locks.
 */
function lockDueUsers(trx: LedgerDatabase, rollout: string, limit: number, atMs: number): Promise<UserRow[]> {
  const rows = trx
    .selectFrom('rollout_users')
    .select(countedColumns)
    .where('rollout', '=', rollout)
    .where('due_at_ms', '<=', atMs)
    .orderBy('due_at_ms')
    .limit(limit);
  return (isPostgres(trx) ? rows.forUpdate().skipLocked() : rows).execute();
}

async function addToTallies(trx: LedgerDatabase, rollout: string, changes: readonly Change[]): Promise<void> {
  const bakes = [...new Set(changes.map(({ row }) => row.bake))];
  const kept = await trx
    .selectFrom('rollout_tallies')
    .select(['bake', 'arm', 'language', 'counts', 'newest_at_ms'])
    .where('rollout', '=', rollout)
    .where('bake', 'in', padded(bakes))
    .execute();
  const known = new Map(kept.map((row) => [tallyKey(row), row]));
  const changed = new Map<string, Tally>();
  for (const { row, counted, counts } of changes) {
    const { bake, arm } = row;
    // Users of the whole rollout are not counted by language.
    const language = bake === wholeRollout ? '' : row.language;
    const key = tallyKey({ bake, arm, language });
    const { counts: json = null, newest_at_ms: newestAtMs = null } = known.get(key) ?? {};
    const tally = changed.get(key) ?? { bake, arm, language, sums: fromJson(json), newestAtMs };
    addTo(tally.sums, counted, -1n);
    addTo(tally.sums, counts, 1n);
    changed.set(key, { ...tally, newestAtMs: later(tally.newestAtMs, row.last_call_at_ms) });
  }
  const rows = [...changed.values()].map(({ sums, newestAtMs, ...key }) => ({
    ...key,
    rollout,
    counts: toJson(sums),
    newest_at_ms: newestAtMs,
  }));
  for (const some of inStatements(rows)) {
    await trx
      .insertInto('rollout_tallies')
      .values(some)
      .onConflict((conflict) =>
        conflict.columns(['rollout', 'bake', 'arm', 'language']).doUpdateSet((eb) => ({
          counts: eb.ref('excluded.counts'),
          newest_at_ms: eb.ref('excluded.newest_at_ms'),
        })),
      )
      .execute();
  }
}

interface TallyKey {
  readonly bake: number;
  readonly arm: string;
  readonly language: string;
}

interface Tally extends TallyKey {
  readonly sums: Map<string, bigint>;
  readonly newestAtMs: number | null;
}

function tallyKey({ bake, arm, language }: TallyKey): string {
  return JSON.stringify([bake, arm, language]);
}

function later(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.max(one, other);
}

/** Columns of `rollout_key_users`, and what users add to them. */
const keyColumns = {
  users: 'users',
  first_calls: 'firstCalls',
  first_call_faults: 'firstCallFaults',
  faulty_users: 'faultyUsers',
} as const;
type KeySums = Record<keyof typeof keyColumns, number>;
const columnsOfKeys = Object.keys(keyColumns) as (keyof KeySums)[];

/** Counts users by the API key of their first turn. */
async function addToKeys(trx: LedgerDatabase, changes: readonly Change[]): Promise<void> {
  const rows = new Map<
    string,
    KeySums & Omit<TallyKey, 'language'> & { readonly rollout: string; readonly key_id: string }
  >();
  for (const { row, counted, counts } of changes) {
    const { rollout, bake, arm, key_id } = row;
    const more = (column: keyof KeySums): number => {
      const name = keyColumns[column];
      return Number((counts.get(name) ?? 0n) - (counted.get(name) ?? 0n));
    };
    if (key_id === null || columnsOfKeys.every((column) => more(column) === 0)) continue;
    const key = JSON.stringify([bake, arm, key_id]);
    const sums = rows.get(key);
    const added = columnsOfKeys.map((column) => [column, (sums?.[column] ?? 0) + more(column)]);
    rows.set(key, { rollout, bake, arm, key_id, ...(Object.fromEntries(added) as KeySums) });
  }
  const sum = (column: keyof KeySums) =>
    sql<number>`rollout_key_users.${sql.ref(column)} + excluded.${sql.ref(column)}`;
  for (const some of inStatements([...rows.values()])) {
    await trx
      .insertInto('rollout_key_users')
      .values(some)
      .onConflict((conflict) =>
        conflict.columns(['rollout', 'bake', 'arm', 'key_id']).doUpdateSet({
          users: sum('users'),
          first_calls: sum('first_calls'),
          first_call_faults: sum('first_call_faults'),
          faulty_users: sum('faulty_users'),
        }),
      )
      .execute();
  }
}

async function keepCounted(trx: LedgerDatabase, changes: readonly Change[], atMs: number): Promise<void> {
  const rows = changes.map(({ row: { rollout, bake, arm, user_id, closes_at_ms }, counts }) => ({
    rollout,
    bake,
    arm,
    user_id,
    counted: toJson(counts),
    due_at_ms: closes_at_ms <= atMs ? null : closes_at_ms,
  }));
  await updateUsers(trx, rows, { counted: sql`excluded.counted`, due_at_ms: sql`excluded.due_at_ms` });
}
