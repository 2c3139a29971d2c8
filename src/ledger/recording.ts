import { sql } from 'kysely';
import { timeMs } from './clock';
import type { Settlement, TurnTotals } from '../contract/turn';
import type { AnswerFlag } from '../contract/user-evidence';
import { remaining, spentOn } from './budgets';
import type { TurnRecord } from '../contract/ledger';
import { flagColumn, flagsIn } from './labels';
import { tellWhenCommitted } from './observed';
import { type AttemptState, attemptsOf, lockTurn, turnColumns, type TurnState, updateTurn } from './rows';
import type { LedgerDatabase } from './schema';
import { dayScope, utcDay } from './scopes';
import { abandoned, endAttempts, isCall, unchanged } from './settling';

/** See `Ledger.settleAttempt`. */
export async function settleAttempt(
  trx: LedgerDatabase,
  turnId: string,
  settlement: Settlement,
  atMs?: number,
): Promise<void> {
  const turn = await lockTurn(trx, turnId, atMs);
  if (turn === undefined) {
    throw new Error(
      `The ledger cannot settle attempt ${settlement.attempt} of turn ${turnId}: it has no such turn. Admit the turn first.`,
    );
  }
  await endAttempts(trx, unchanged(turn), await attemptsOf(trx, turnId), [settlement]);
}

/** See `Ledger.recordTurn`. A typical turn takes five statements (turn, attempts, attempt, session, day), two more with an
 * API key, and one more if its rollout counts users. */
export async function recordTurn(trx: LedgerDatabase, record: TurnRecord): Promise<TurnTotals> {
  const { turnId, outcome, target, rescuedBy = null, model, error, flags, atMs } = record;
  const now = timeMs(trx, atMs);
  const turn = await trx
    .updateTable('turns')
    .set((eb) => ({
      outcome,
      target,
      rescued_by: rescuedBy,
      model,
      error,
      ended_at_ms: eb.fn.coalesce('ended_at_ms', now),
      // A turn that another arm had rescued was not answered by its own.
      replaced_outcome: eb
        .case()
        .when('rescued_by', 'is', null)
        .then(eb.ref('outcome'))
        .else(sql.lit('degraded' as const))
        .end(),
    }))
    .$if(flags !== undefined, (update) => update.set({ flags: replacedFlags(flags ?? []) }))
    .where('turn_id', '=', turnId)
    .returning([...turnColumns, 'replaced_outcome', now.as('atMs')])
    .executeTakeFirst();
  if (turn === undefined) {
    throw new Error(`The ledger cannot record turn ${turnId}: it has no such turn. Admit the turn first.`);
  }
  // Which flags the answer had before is unknown, so those of a user's first answer are written again.
  const ending = {
    ...turn,
    before: { outcome: turn.replaced_outcome, flags: 'unknown', rescued_by: null },
    after: turn,
  };
  if (turn.replaced_outcome === null) for (const flag of flags ?? []) tellOfFlag(trx, turn, flag);
  const known = await attemptsOf(trx, turnId);
  const open = outcome === 'stopped' ? known.filter(({ state }) => state === 'reserved') : [];
  const settlements = [...record.settlements, ...open.map((row) => abandoned(row, turn.atMs))];
  const { attempts, spentByScope } = await endAttempts(trx, ending, known, settlements);
  const today = dayScope(utcDay(turn.atMs));
  const spentToday = spentByScope.get(today) ?? (await spentOn(trx, today));
  const endedAtMs = turn.ended_at_ms ?? turn.atMs;
  return {
    attempts: attempts.filter(isCall).length,
    promptTokens: sum(attempts, (row) => row.prompt_tokens),
    cachedPromptTokens: sum(attempts, (row) => row.cached_prompt_tokens),
    ...cacheWrites(sum(attempts, (row) => row.cache_write_tokens)),
    completionTokens: sum(attempts, (row) => row.completion_tokens),
    costNanoUsd: sum(attempts, (row) => (row.state === 'settled' ? row.cost_nano_usd : 0)),
    unconfirmedNanoUsd: sum(attempts, (row) => (row.state === 'unconfirmed' ? row.cost_nano_usd : 0)),
    latencyMs: Math.max(0, endedAtMs - (turn.admitted_at_ms ?? endedAtMs)),
    remainingNanoUsd: remaining(record.dayCapNanoUsd, spentToday),
  };
}

/** Flags of the answer are replaced; that the user asked again is no flag of the answer, and stays. */
function replacedFlags(flags: readonly AnswerFlag[]) {
  const isAskedAgain = sql`flags like ${`%${'asked-again' satisfies AnswerFlag}%`}`;
  return sql<string>`case when ${isAskedAgain} then ${flagColumn([...flags, 'asked-again'])} else ${flagColumn(flags)} end`;
}

function sum(attempts: readonly AttemptState[], value: (row: AttemptState) => number): number {
  return attempts.reduce((total, row) => total + value(row), 0);
}

/** See `Ledger.flagAnswer`. */
export async function flagAnswer(trx: LedgerDatabase, turnId: string, flag: AnswerFlag, atMs?: number): Promise<void> {
  const turn = await lockTurn(trx, turnId, atMs);
  if (turn === undefined) return;
  const known = flagsIn(turn.flags ?? '');
  if (!known.includes(flag)) tellOfFlag(trx, turn, flag);
  const flags = flagColumn([...known, flag]);
  await updateTurn(trx, turnId, { flags });
  const ending = { ...turn, before: turn, after: { ...turn, flags } };
  await endAttempts(trx, ending, await attemptsOf(trx, turnId), []);
}

function tellOfFlag(trx: LedgerDatabase, { arm, rescued_by, language }: TurnState, flag: AnswerFlag): void {
  const flagged = { arm: rescued_by ?? arm, flag, language };
  tellWhenCommitted(trx, (observer) => observer.answerFlagged(flagged));
}

/** Turns with open reservations older than `ageMs`, for `postAbandoned`. */
export async function turnsWithReservationsOlderThan(
  db: LedgerDatabase,
  ageMs: number,
  atMs?: number,
): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('attempts')
    .select('turn_id')
    .distinct()
    // A literal, because SQLite uses a partial index only if the condition is in the statement's text.
    .where('state', '=', sql.lit('reserved'))
    .where('started_at_ms', '<', sql<number>`${timeMs(db, atMs)} - ${ageMs}`)
    .execute();
  return rows.map((row) => row.turn_id);
}

/** Posts one turn's open reservations older than `ageMs` as unconfirmed; returns how many there were. */
export async function postAbandoned(
  trx: LedgerDatabase,
  turnId: string,
  ageMs: number,
  atMs?: number,
): Promise<number> {
  const turn = await lockTurn(trx, turnId, atMs);
  if (turn === undefined) return 0;
  const attempts = await attemptsOf(trx, turnId);
  const open = attempts.filter((row) => row.state === 'reserved' && row.started_at_ms < turn.atMs - ageMs);
  await endAttempts(
    trx,
    unchanged(turn),
    attempts,
    open.map((row) => abandoned(row, turn.atMs)),
  );
  return open.length;
}

function cacheWrites(cacheWriteTokens: number): Pick<TurnTotals, 'cacheWriteTokens'> {
  return cacheWriteTokens > 0 ? { cacheWriteTokens } : {};
}
