import { type RawBuilder, type Selectable, sql, type SqlBool } from 'kysely';
import { timeMs } from './clock';
import type { KeyCaps } from './budgets';
import type { AdmitRequest, Reservation, TurnPlan } from '../contract/ledger';
import { requireNanoUsd } from './money';
import type { AttemptsTable, LedgerDatabase, TurnsTable } from './schema';
import type { CountedOn } from './scopes';

export const turnColumns = [
  'turn_id',
  'session_id',
  'user_id',
  'arm',
  'outcome',
  'refused_by',
  'refused_request_id',
  'admitted_at_ms',
  'ended_at_ms',
  'rollout',
  'bake',
  'first_run_id',
  'flags',
  'rescued_by',
  'language',
] as const;

/** The columns of a turn that the ledger needs to continue it. */
export type TurnState = Pick<TurnsTable, (typeof turnColumns)[number]>;

const attemptColumns = [
  'turn_id',
  'attempt',
  'request_id',
  'session_id',
  'key_id',
  'day',
  'arm',
  'target',
  'state',
  'reserved_nano_usd',
  'cost_nano_usd',
  'prompt_tokens',
  'cached_prompt_tokens',
  'cache_write_tokens',
  'completion_tokens',
  'outcome',
  'http_status',
  'latency_ms',
  'started_at_ms',
  'ended_at_ms',
  'usage_note',
  'first_token_ms',
  'user_call',
  'in_rollout_exposure',
  'may_be_asked_for',
] as const;

/** The columns of an attempt that the ledger needs to settle it and to compute totals. */
export type AttemptState = Pick<Selectable<AttemptsTable>, (typeof attemptColumns)[number]>;

interface InsertedTurn {
  readonly admittedAtMs: number;
  /** Somebody has asked for the end of the turn before it began. */
  readonly isStopped: boolean;
}

/** null if the turn already exists. Either way its row is locked until the transaction ends. */
export async function insertTurn(
  trx: LedgerDatabase,
  request: AdmitRequest,
  plan: TurnPlan,
): Promise<InsertedTurn | null> {
  const { turnId, sessionId, userId, atMs, firstRunId = null, language = null } = request;
  const inserted = await trx
    .insertInto('turns')
    .values({
      turn_id: turnId,
      session_id: sessionId,
      user_id: userId,
      admitted_at_ms: timeMs(trx, atMs),
      first_run_id: firstRunId,
      language,
      ...routeColumns(plan),
    })
    .onConflict((conflict) => conflict.column('turn_id').doNothing())
    .returning(['admitted_at_ms as admittedAtMs', isStopAsked(trx, turnId).as('isStopped')])
    .executeTakeFirst();
  if (inserted === undefined) return null;
  return { admittedAtMs: inserted.admittedAtMs ?? 0, isStopped: Boolean(inserted.isStopped) };
}

/** Whether somebody has asked for the end of the turn; an expression, so that it can be part of another statement. */
export function isStopAsked(trx: LedgerDatabase, turnId: string): RawBuilder<SqlBool> {
  return sql<SqlBool>`exists ${trx.selectFrom('turn_stops').select(sql.lit(1).as('one')).where('turn_id', '=', turnId)}`;
}

/** A plan's route as columns of the turn's row. */
export function routeColumns({ reservation, countedIn }: TurnPlan): Pick<TurnsTable, 'arm' | 'rollout' | 'bake'> {
  return { arm: reservation.arm, rollout: countedIn?.rollout ?? null, bake: countedIn?.bake ?? null };
}

/** A turn, and the time at which it was locked. */
export type LockedTurn = TurnState & { readonly atMs: number };

/**
 * Locks the turn's row until the transaction ends and returns it; undefined if there is none. All changes to a turn's
 * attempts happen under this lock, so whatever is read after it stays valid. An update that changes nothing, because SQLite
 * has no `select … for update`.
 */
export function lockTurn(trx: LedgerDatabase, turnId: string, atMs?: number): Promise<LockedTurn | undefined> {
  return trx
    .updateTable('turns')
    .set((eb) => ({ turn_id: eb.ref('turn_id') }))
    .where('turn_id', '=', turnId)
    .returning(turnColumns)
    .returning(timeMs(trx, atMs).as('atMs'))
    .executeTakeFirst();
}

export async function updateTurn(trx: LedgerDatabase, turnId: string, values: Partial<TurnsTable>): Promise<void> {
  await trx.updateTable('turns').set(values).where('turn_id', '=', turnId).execute();
}

/** All attempts of a turn, in order. Call it with the turn locked. */
export function attemptsOf(trx: LedgerDatabase, turnId: string): Promise<AttemptState[]> {
  return trx.selectFrom('attempts').select(attemptColumns).where('turn_id', '=', turnId).orderBy('attempt').execute();
}

/** How a first call counts for its user; see `AttemptsTable`. */
export interface CountedCall {
  readonly userCall: number;
  readonly inRolloutExposure: boolean;
}

export interface NewAttempt {
  readonly turnId: string;
  readonly attempt: number;
  readonly countedOn: CountedOn;
  readonly requestId: string;
  readonly owner: string;
  readonly reservation: Reservation;
  /** Of a turn's first attempt, if its rollout counts users. */
  readonly exposed: CountedCall | null;
  readonly atMs: number;
}

/** Inserts an attempt and returns the caps of its API key, read by the same statement; null without a key. */
export async function insertAttempt(trx: LedgerDatabase, attempt: NewAttempt): Promise<KeyCaps | null> {
  const { reservation, countedOn, exposed } = attempt;
  const { keyId } = countedOn;
  const insert = trx.insertInto('attempts').values({
    turn_id: attempt.turnId,
    attempt: attempt.attempt,
    request_id: attempt.requestId,
    owner: attempt.owner,
    session_id: countedOn.sessionId,
    key_id: keyId,
    day: countedOn.day,
    arm: reservation.arm,
    target: reservation.target,
    provider: reservation.provider,
    model: reservation.model,
    state: 'reserved',
    reserved_nano_usd: requireNanoUsd('worstCaseNanoUsd', reservation.worstCaseNanoUsd),
    started_at_ms: attempt.atMs,
    user_call: exposed?.userCall ?? null,
    in_rollout_exposure: exposed && (exposed.inRolloutExposure ? 1 : 0),
  });
  if (keyId === null) {
    await insert.execute();
    return null;
  }
  return insert
    .returning((eb) => {
      const key = eb.selectFrom('api_keys').where('id', '=', keyId);
      return [key.select('total_nano_usd').as('totalNanoUsd'), key.select('day_nano_usd').as('dayNanoUsd')];
    })
    .executeTakeFirstOrThrow();
}

export async function deleteAttempt(trx: LedgerDatabase, turnId: string, attempt: number): Promise<void> {
  await trx.deleteFrom('attempts').where('turn_id', '=', turnId).where('attempt', '=', attempt).execute();
}
