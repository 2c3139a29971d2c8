import { setImmediate } from 'node:timers/promises';
import type { ExpressionBuilder } from 'kysely';
import type { ExcludedWindow } from '../contract/user-evidence';
import { timeMs } from './clock';
import { countFeedback } from './feedback';
import { foldUsers, lockFold } from './fold-users';
import { updateUsers, type UserKey, userKey } from './rollout-users';
import type { LedgerDatabase, LedgerTables, RolloutUsersTable, Runner } from './schema';

/**
 * Rows in one transaction. In SQLite, which works inside this process, one takes 5 ms (measured); a turn waits for it no longer.
 */
const rowsAtOnce = 100;

/** See `Rollouts.countUsers`. */
export async function countUsers(run: Runner, atMs: number | undefined): Promise<number> {
  await repeatWhileFull(() => run.change((trx) => countFeedback(trx, rowsAtOnce)));
  let rows = 0;
  for (const rollout of await run.read((db) => rolloutsDue(db, atMs))) {
    rows += await repeatWhileFull(() =>
      run.change((trx) => foldUsers(trx, rollout, rowsAtOnce, atMs, 'unless-locked')),
    );
  }
  return rows;
}

/** Everything of one rollout that is committed by now, apart from users of whom a turn is being written at this moment. */
export async function countUsersOf(run: Runner, rollout: string, atMs: number | undefined): Promise<void> {
  await repeatWhileFull(() => run.change((trx) => countFeedback(trx, rowsAtOnce)));
  await repeatWhileFull(() => run.change((trx) => foldUsers(trx, rollout, rowsAtOnce, atMs)));
}

/** Repeats until fewer rows than a transaction takes were left. Lets other work of the process go first in between. */
async function repeatWhileFull(work: () => Promise<number>): Promise<number> {
  for (let rows = 0; ;) {
    const more = await work();
    rows += more;
    await setImmediate();
    if (more < rowsAtOnce) return rows;
  }
}

async function rolloutsDue(db: LedgerDatabase, atMs: number | undefined): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('rollout_folds')
    .select('rollout')
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom('rollout_users')
          .select('bake')
          .whereRef('rollout_users.rollout', '=', 'rollout_folds.rollout')
          .where('due_at_ms', '<=', timeMs(db, atMs)),
      ),
    )
    .orderBy('rollout')
    .execute();
  return rows.map(({ rollout }) => rollout);
}

/**
 * Sets the excluded windows of a rollout, and marks the users whom a changed window concerns, so that they are folded again.
 * The windows are set first: whoever folds meanwhile uses them already. If the process dies in between, the next call finishes.
 */
export async function exclude(run: Runner, rollout: string, windows: readonly ExcludedWindow[]): Promise<void> {
  const change = await run.change(async (trx) => {
    const fold = await lockFold(trx, rollout);
    // They differ if a change to other windows was interrupted, perhaps after some users had been folded by those.
    if (fold === undefined || (isSame(fold.marked, windows) && isSame(fold.excluded, windows))) return null;
    await trx
      .updateTable('rollout_folds')
      .set({ excluded: JSON.stringify(windows) })
      .where('rollout', '=', rollout)
      .execute();
    return fold;
  });
  if (change === null) return;
  for (const window of changedWindows([change.marked, change.excluded, windows])) {
    let after: MarkedUser | undefined;
    do {
      after = await run.change((trx) => markUsers(trx, rollout, window, change.exposedForMs, after));
      await setImmediate();
    } while (after !== undefined);
  }
  await run.change((trx) =>
    trx
      .updateTable('rollout_folds')
      .set({ marked_excluded: JSON.stringify(windows) })
      .where('rollout', '=', rollout)
      .where('excluded', '=', JSON.stringify(windows))
      .execute(),
  );
}

function isSame(one: readonly ExcludedWindow[], other: readonly ExcludedWindow[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** `excluded` differs from `marked` if an earlier call did not finish. */
function changedWindows(lists: readonly (readonly ExcludedWindow[])[]): readonly ExcludedWindow[] {
  const all = new Map(lists.flat().map((window) => [JSON.stringify(window), window]));
  return [...all.values()].filter((window) => !lists.every((list) => list.some((one) => isSame([one], [window]))));
}

type MarkedUser = UserKey & Pick<RolloutUsersTable, 'first_at_ms'>;

/** Makes the next users due who were exposed in the window; returns the last of them, undefined if there may be no more. */
async function markUsers(
  trx: LedgerDatabase,
  rollout: string,
  { fromMs, toMs }: ExcludedWindow,
  exposedForMs: number,
  after: MarkedUser | undefined,
): Promise<MarkedUser | undefined> {
  const exposed = trx
    .selectFrom('rollout_users')
    .select([...userKey, 'first_at_ms'])
    .where('rollout', '=', rollout)
    .where('first_at_ms', '>', fromMs - exposedForMs)
    .where('first_at_ms', '<', toMs)
    .orderBy('first_at_ms')
    .orderBy('bake')
    .orderBy('arm')
    .orderBy('user_id')
    .limit(rowsAtOnce);
  const users = await (after === undefined ? exposed : exposed.where((eb) => isAfter(eb, after))).execute();
  if (users.length === 0) return undefined;
  await updateUsers(trx, users, { due_at_ms: 0 });
  return users.length < rowsAtOnce ? undefined : users.at(-1);
}

function isAfter(
  eb: ExpressionBuilder<LedgerTables, 'rollout_users'>,
  { first_at_ms, bake, arm, user_id }: MarkedUser,
) {
  return eb.and([
    eb('first_at_ms', '>=', first_at_ms),
    eb(eb.refTuple('first_at_ms', 'bake', 'arm', 'user_id'), '>', eb.tuple(first_at_ms, bake, arm, user_id)),
  ]);
}
