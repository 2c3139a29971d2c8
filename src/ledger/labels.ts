import { sql } from 'kysely';
import type { FeedbackOutcome, TurnFeedback } from '../contract/ledger';
import { limits } from '../contract/limits';
import type { FeedbackCount } from '../contract/rollout-ledger';
import { type AnswerFlag, answerFlags, unknownLanguage } from '../contract/user-evidence';
import { timeMs } from './clock';
import { lockTurn, updateTurn } from './rows';
import type { LedgerDatabase } from './schema';

/** Flags as they are stored: in the order of their list, each once, so that equal flags are equal texts. */
export function toColumn(flags: readonly AnswerFlag[]): string {
  return answerFlags.filter((flag) => flags.includes(flag)).join(',');
}

export function fromColumn(column: string): readonly AnswerFlag[] {
  const labels = column.split(',');
  return answerFlags.filter((flag) => labels.includes(flag));
}

/** See `Ledger.flagAnswer`. */
export async function flagAnswer(trx: LedgerDatabase, turnId: string, flag: AnswerFlag): Promise<void> {
  const turn = await lockTurn(trx, turnId);
  if (turn === undefined) return;
  await updateTurn(trx, turnId, { flags: toColumn([...fromColumn(turn.flags ?? ''), flag]) });
}

/**
 * See `Ledger.recordFeedback`. Touches no other table: a gateway has no right to change turns or what a rollout decides by,
 * so the analysis counts what it finds here.
 */
export async function recordFeedback(
  trx: LedgerDatabase,
  { turnId, signal, atMs }: TurnFeedback,
): Promise<FeedbackOutcome> {
  const now = timeMs(trx, atMs);
  const row = await trx
    .insertInto('feedback')
    .columns(['turn_id', 'signal', 'at_ms', 'is_counted'])
    .expression((eb) =>
      eb
        .selectFrom('turns')
        .where('turns.turn_id', '=', turnId)
        .where('turns.admitted_at_ms', '>=', sql<number>`${now} - ${limits.feedbackWithinMs}`)
        .select(['turns.turn_id', sql.val(signal).as('signal'), now.as('at_ms'), sql.lit(0).as('no')]),
    )
    .onConflict((conflict) =>
      conflict
        .column('turn_id')
        .doUpdateSet((eb) => ({ signal: eb.ref('excluded.signal'), at_ms: eb.ref('excluded.at_ms'), is_counted: 0 })),
    )
    .returning('turn_id')
    .executeTakeFirst();
  if (row !== undefined) return 'recorded';
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
