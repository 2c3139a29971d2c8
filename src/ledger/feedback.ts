import { sql } from 'kysely';
import type { TurnFeedback } from '../contract/ledger';
import type { FeedbackSignal } from '../contract/user-evidence';
import { isPostgres, timeMs } from './clock';
import { sum, updateUsers, userOf, type UserKey } from './rollout-users';
import type { LedgerDatabase } from './schema';

/**
 * See `Ledger.recordFeedback`. Touches no other table: a gateway has no right to change turns or what a rollout decides by,
 * so the analysis counts what it finds here.
 */
export async function recordFeedback(trx: LedgerDatabase, { turnId, signal, atMs }: TurnFeedback): Promise<boolean> {
  const row = await trx
    .insertInto('feedback')
    .columns(['turn_id', 'signal', 'at_ms', 'is_counted'])
    .expression((eb) =>
      eb
        .selectFrom('turns')
        .where('turns.turn_id', '=', turnId)
        .select(['turns.turn_id', sql.val(signal).as('signal'), timeMs(trx, atMs).as('at_ms'), sql.lit(0).as('no')]),
    )
    .onConflict((conflict) =>
      conflict
        .column('turn_id')
        .doUpdateSet((eb) => ({ signal: eb.ref('excluded.signal'), at_ms: eb.ref('excluded.at_ms'), is_counted: 0 })),
    )
    .returning('turn_id')
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Adds what `recordFeedback` wrote to the rows of the users, up to `limit` turns; returns how many there were. A transaction of
 * its own: in one with folding, it could lock a user's rows in another order than turns do.
 */
export async function countFeedback(trx: LedgerDatabase, limit: number): Promise<number> {
  const uncounted = trx
    .selectFrom('feedback')
    .innerJoin('turns', 'turns.turn_id', 'feedback.turn_id')
    .leftJoin('attempts', (join) =>
      join.onRef('attempts.turn_id', '=', 'turns.turn_id').on('attempts.attempt', '=', sql.lit(1)),
    )
    .where('feedback.is_counted', '=', sql.lit(0))
    .select(['feedback.turn_id', 'signal', 'counted_signal', 'rollout', 'bake', 'turns.arm', 'user_id'])
    .select(['turns.session_id', 'user_call'])
    .orderBy('at_ms')
    .orderBy('feedback.turn_id')
    .limit(limit);
  const rows = await (isPostgres(trx) ? uncounted.forUpdate('feedback') : uncounted).execute();
  if (rows.length === 0) return 0;
  const changes = new Map<string, UserFeedback>();
  for (const { rollout, bake, arm, user_call, signal, counted_signal, ...turn } of rows) {
    if (rollout === null || bake === null || user_call === null) continue;
    const user_id = userOf(turn.user_id, turn.session_id, turn.turn_id);
    const key = JSON.stringify([rollout, bake, arm, user_id]);
    const change = changes.get(key) ?? { rollout, bake, arm, user_id, up: 0, down: 0, handoff: 0, resolved: 0 };
    change[signal] += 1;
    if (counted_signal !== null) change[counted_signal] -= 1;
    changes.set(key, change);
  }
  if (changes.size > 0) {
    const inLockOrder = [...changes].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, change]) => change);
    const sums = { up: sum('up'), down: sum('down'), handoff: sum('handoff'), resolved: sum('resolved') };
    await updateUsers(trx, inLockOrder, { ...sums, due_at_ms: 0 });
  }
  await trx
    .updateTable('feedback')
    .set((eb) => ({ is_counted: 1, counted_signal: eb.ref('signal') }))
    .where(
      'turn_id',
      'in',
      rows.map(({ turn_id }) => turn_id),
    )
    .execute();
  return rows.length;
}

interface UserFeedback extends UserKey, Record<FeedbackSignal, number> {}
