import { sql } from 'kysely';
import type { FeedbackOutcome, TurnFeedback } from '../contract/ledger';
import { limits } from '../contract/limits';
import type { FeedbackCount } from '../contract/rollout-ledger';
import { type FeedbackSignal, unknownLanguage } from '../contract/user-evidence';
import { isPostgres, timeMs } from './clock';
import { tellWhenCommitted } from './observed';
import { sum, updateUsers, userOf, type UserKey } from './rollout-users';
import type { LedgerDatabase } from './schema';
import { padded } from './statement-sizes';

/**
 * See `Ledger.recordFeedback`. Touches no other table: a gateway has no right to change turns or what a rollout decides by,
 * so the analysis counts what it finds here.
 */
export async function recordFeedback(
  trx: LedgerDatabase,
  { turnId, signal, atMs }: TurnFeedback,
): Promise<FeedbackOutcome> {
  const now = timeMs(trx, atMs);
  const before = await trx
    .selectFrom('turns')
    .leftJoin('feedback', 'feedback.turn_id', 'turns.turn_id')
    .select(['turns.arm', 'feedback.signal'])
    .where('turns.turn_id', '=', turnId)
    .executeTakeFirst();
  // Outside rollouts there is nothing to count.
  const isCounted = sql<number>`case when turns.rollout is null then 1 else 0 end`;
  const row = await trx
    .insertInto('feedback')
    .columns(['turn_id', 'signal', 'at_ms', 'is_counted'])
    .expression((eb) =>
      eb
        .selectFrom('turns')
        .where('turns.turn_id', '=', turnId)
        .where('turns.admitted_at_ms', '>=', sql<number>`${now} - ${limits.feedbackWithinMs}`)
        .select(['turns.turn_id', sql.val(signal).as('signal'), now.as('at_ms'), isCounted.as('is_counted')]),
    )
    .onConflict((conflict) =>
      conflict.column('turn_id').doUpdateSet((eb) => ({
        signal: eb.ref('excluded.signal'),
        at_ms: eb.ref('excluded.at_ms'),
        is_counted: eb.ref('excluded.is_counted'),
      })),
    )
    .returning('turn_id')
    .executeTakeFirst();
  if (row !== undefined) {
    if (before !== undefined && before.signal !== signal) {
      tellWhenCommitted(trx, (observer) => observer.feedbackGiven({ arm: before.arm, signal }));
    }
    return 'recorded';
  }
  const turn = await trx
    .selectFrom('turns')
    .select('turn_id')
    .where('turn_id', '=', turnId)
    .where('admitted_at_ms', 'is not', null)
    .executeTakeFirst();
  return turn === undefined ? 'unknown-turn' : 'too-late';
}

/** See `Rollouts.feedback`. */
export async function feedbackOn(db: LedgerDatabase, rollout: string): Promise<readonly FeedbackCount[]> {
  const language = sql<string>`coalesce(turns.language, ${sql.lit(unknownLanguage)})`;
  return db
    .selectFrom('feedback')
    .innerJoin('turns', 'turns.turn_id', 'feedback.turn_id')
    .where('turns.rollout', '=', rollout)
    .where('turns.rescued_by', 'is', null)
    .select(['turns.arm', language.as('language'), 'feedback.signal', sql<number>`count(*)`.as('turns')])
    .groupBy(['turns.arm', language, 'feedback.signal'])
    .orderBy('turns.arm')
    .orderBy('language')
    .orderBy('feedback.signal')
    .execute();
}

/**
 * Adds what `recordFeedback` wrote to the rows of the users, up to `limit` turns; returns how many there were. A transaction of
 * its own: in one with folding, it could lock a user's rows in another order than turns do. Several processes may do so at once:
 * each leaves out what another one counts.
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
  const rows = await (isPostgres(trx) ? uncounted.forUpdate('feedback').skipLocked() : uncounted).execute();
  if (rows.length === 0) return 0;
  const changes = new Map<string, UserFeedback>();
  for (const { rollout, bake, arm, user_call, signal, counted_signal, ...turn } of rows) {
    // Also of a turn that another arm rescued: users stand for the arm that they were sent to, whatever became of it.
    if (rollout === null || bake === null || user_call === null) continue;
    const user_id = userOf(turn.user_id, turn.session_id, turn.turn_id);
    const key = JSON.stringify([rollout, bake, arm, user_id]);
    const change = changes.get(key) ?? { rollout, bake, arm, user_id, up: 0, down: 0, handoff: 0, resolved: 0 };
    change[signal] += 1;
    if (counted_signal !== null) change[counted_signal] -= 1;
    changes.set(key, change);
  }
  if (changes.size > 0) {
    const sums = { up: sum('up'), down: sum('down'), handoff: sum('handoff'), resolved: sum('resolved') };
    await updateUsers(trx, [...changes.values()], { ...sums, due_at_ms: 0 });
  }
  await trx
    .updateTable('feedback')
    .set((eb) => ({ is_counted: 1, counted_signal: eb.ref('signal') }))
    .where('turn_id', 'in', padded(rows.map(({ turn_id }) => turn_id)))
    .execute();
  return rows.length;
}

interface UserFeedback extends UserKey, Record<FeedbackSignal, number> {}
