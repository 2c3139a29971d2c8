import { sql } from 'kysely';
import type { TurnFeedback } from '../contract/ledger';
import { type AnswerFlag, answerFlags } from '../contract/user-evidence';
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
