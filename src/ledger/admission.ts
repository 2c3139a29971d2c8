import type { TrafficSplit } from '../contract/rollout';
import type { RefusalScope } from '../contract/turn';
import {
  type AttemptState,
  attemptsOf,
  deleteAttempt,
  insertAttempt,
  insertTurn,
  isStopAsked,
  lockTurn,
  routeColumns,
  updateTurn,
  type TurnState,
} from './rows';
import { cappedScopes, remaining, reserveOnScopes, spentOn } from './budgets';
import type { AdmitRequest, AdmitResult, Reservation, ReserveRequest, ReserveResult } from '../contract/ledger';
import type { LedgerDatabase } from './schema';
import { type ExposedTurn, exposeUser, unexposeUser } from './rollout-users';
import { dayScope, utcDay } from './scopes';
import { abandoned, endAttempts, type EndingTurn, unchanged } from './settling';
import { readSplit } from './traffic-split';

/** See `Ledger.admit`. A new turn takes four statements (split, turn, attempt, budgets), and one more if its rollout counts users. */
export async function admit(trx: LedgerDatabase, request: AdmitRequest): Promise<AdmitResult> {
  const split = await readSplit(trx);
  const planned = request.plan({ previousArm: null, split });
  const inserted = await insertTurn(trx, request, planned);
  if (inserted !== null) {
    if (inserted.isStopped) {
      await updateTurn(trx, request.turnId, { admitted_at_ms: null });
      return { kind: 'stopped' };
    }
    const timed = { ...request, atMs: inserted.admittedAtMs };
    const exposed = await exposeUser(trx, timed, routeColumns(planned), split);
    const answer = await reserveNext(trx, timed, request.sessionId, 1, planned.reservation, exposed);
    if (answer.kind === 'refused') {
      await refuseTurn(trx, timed, answer.scope, { outcome: null, admitted_at_ms: null, ended_at_ms: null });
    }
    return admission(answer, routeColumns(planned), split);
  }

  const { turn, attempts } = await loadTurn(trx, request);
  const timed = { ...request, atMs: turn.atMs };
  const earlier = await earlierAnswer(trx, turn, attempts, timed);
  if (earlier !== undefined) return admission(earlier.answer, { ...turn, arm: earlier.arm }, split);
  const { firstRunId = turn.first_run_id } = request;
  if (turn.outcome === 'answered' && isOfAnotherWorkflow(turn, firstRunId)) return { kind: 'not-kept' };
  if (await isStopped(trx, turn)) return { kind: 'stopped' };
  // A turn that was never admitted has no arm and no bake to keep.
  const isNew = attempts.length === 0;
  const { reservation } = isNew ? planned : request.plan({ previousArm: turn.arm, split });
  const { rollout, bake } = isNew ? routeColumns(planned) : keptBake(turn, reservation);
  const reopening = { ...turn, before: turn, after: rollout === turn.rollout ? { ...turn, outcome: null } : null };
  const exposed = isNew ? await exposeUser(trx, timed, routeColumns(planned), split) : null;
  const ended = await endOpenAttempts(trx, reopening, attempts);
  const answer = await reserveNext(trx, timed, turn.session_id, attempts.length + 1, reservation, exposed);
  const { arm } = reservation;
  if (answer.kind === 'refused') {
    await endAttempts(trx, { ...turn, before: reopening.after, after: turn }, ended, []);
    await refuseTurn(trx, timed, answer.scope, turn);
  } else {
    const admitted_at_ms = turn.admitted_at_ms ?? turn.atMs;
    const reopened = { outcome: null, rescued_by: null, admitted_at_ms, ended_at_ms: null, first_run_id: firstRunId };
    await updateTurn(trx, turn.turn_id, { arm, rollout, bake, ...reopened });
  }
  return admission(answer, { arm, rollout, bake }, split);
}

/** See `Ledger.reserveAttempt`. */
export async function reserveAttempt(trx: LedgerDatabase, request: ReserveRequest): Promise<ReserveResult> {
  const { turn, attempts } = await loadTurn(trx, request);
  const timed = { ...request, atMs: turn.atMs };
  const earlier = await earlierAnswer(trx, turn, attempts, timed);
  if (earlier !== undefined) return earlier.answer;
  if (await isStopped(trx, turn)) return { kind: 'stopped' };
  await endOpenAttempts(trx, unchanged(turn), attempts);
  const answer = await reserveNext(trx, timed, turn.session_id, attempts.length + 1, request.reservation, null);
  if (answer.kind === 'refused') {
    await updateTurn(trx, turn.turn_id, { refused_by: answer.scope, refused_request_id: request.requestId });
  }
  return answer;
}

/** A turn that has ended as stopped stays so: whoever sends it again gets no answer for it. */
async function isStopped(trx: LedgerDatabase, { turn_id, outcome }: TurnState): Promise<boolean> {
  if (outcome === 'stopped') return true;
  const { isAsked } = await trx.selectNoFrom(isStopAsked(trx, turn_id).as('isAsked')).executeTakeFirstOrThrow();
  return Boolean(isAsked);
}

/**
 * The other workflow no longer exists or has forgotten the turn, otherwise it would have returned its answer. The same
 * workflow may ask again: a worker may have died between recording the turn and completing its task.
 */
function isOfAnotherWorkflow({ first_run_id }: TurnState, firstRunId: string | null): boolean {
  return first_run_id !== null && firstRunId !== null && first_run_id !== firstRunId;
}

/** A turn keeps its bake along with its arm. If its arm no longer exists and it continues in another, it counts towards no bake. */
function keptBake(turn: TurnState, { arm }: Reservation): Pick<TurnState, 'rollout' | 'bake'> {
  return arm === turn.arm ? turn : { rollout: null, bake: null };
}

function admission(
  answer: ReserveResult,
  { arm, rollout, bake }: Pick<TurnState, 'arm' | 'rollout' | 'bake'>,
  split: TrafficSplit | null,
): AdmitResult {
  if (answer.kind !== 'reserved') return answer;
  const { attempt, reservedNanoUsd } = answer;
  const canaryOf = rollout !== null && rollout === split?.rollout && arm === split.canaryArm ? split : null;
  const rescueArm = canaryOf?.active && canaryOf.rescue ? canaryOf.baselineArm : null;
  const countedIn = rollout === null || bake === null ? null : { rollout, bake };
  return { kind: 'admitted', arm, canary: canaryOf !== null, rescueArm, countedIn, attempt, reservedNanoUsd };
}

/** With a known time: the request's own, or the database's. */
type Timed<Request> = Request & { readonly atMs: number };
type AnyRequest = Timed<Omit<ReserveRequest, 'reservation'>>;

async function loadTurn(trx: LedgerDatabase, { turnId, atMs }: Pick<ReserveRequest, 'turnId' | 'atMs'>) {
  const turn = await lockTurn(trx, turnId, atMs);
  if (turn === undefined) {
    throw new Error(
      `The ledger cannot reserve an attempt of turn ${turnId}: it has no such turn. Admit the turn first.`,
    );
  }
  return { turn, attempts: await attemptsOf(trx, turnId) };
}

/**
 * The answer that this same request got before: its first commit may have succeeded although its acknowledgement was lost.
 * See docs/architecture.md, "A turn done once".
 */
async function earlierAnswer(
  trx: LedgerDatabase,
  turn: TurnState,
  attempts: readonly AttemptState[],
  request: AnyRequest,
): Promise<{ readonly answer: ReserveResult; readonly arm: string } | undefined> {
  const row = attempts.find((attempt) => attempt.request_id === request.requestId);
  if (row !== undefined) {
    return {
      answer: { kind: 'reserved', attempt: row.attempt, reservedNanoUsd: row.reserved_nano_usd },
      arm: row.arm,
    };
  }
  if (turn.refused_by === null || turn.refused_request_id !== request.requestId) return undefined;
  const spent = await spentOn(trx, dayScope(utcDay(request.atMs)));
  const remainingNanoUsd = remaining(request.caps.dayNanoUsd, spent);
  return { answer: { kind: 'refused', scope: turn.refused_by, remainingNanoUsd }, arm: turn.arm };
}

/** The owners of these attempts are gone or were replaced. The calls may have been made, so they count at their worst case. */
async function endOpenAttempts(
  trx: LedgerDatabase,
  turn: EndingTurn,
  attempts: readonly AttemptState[],
): Promise<readonly AttemptState[]> {
  const open = attempts.filter((row) => row.state === 'reserved');
  const endings = open.map((row) => abandoned(row, turn.atMs));
  return (await endAttempts(trx, turn, attempts, endings)).attempts;
}

/** Writes the next attempt and reserves its worst case; a refusal writes neither. The day's row is locked last. */
async function reserveNext(
  trx: LedgerDatabase,
  request: AnyRequest,
  sessionId: string | null,
  attempt: number,
  reservation: Reservation,
  exposed: ExposedTurn | null,
): Promise<ReserveResult> {
  const { turnId, requestId, owner, atMs, caps, keyId = null } = request;
  const countedOn = { sessionId, keyId, day: utcDay(atMs) };
  const reservedNanoUsd = reservation.worstCaseNanoUsd;
  const keyCaps = await insertAttempt(trx, {
    turnId,
    attempt,
    countedOn,
    requestId,
    owner,
    reservation,
    exposed,
    atMs,
  });
  const refusal = await reserveOnScopes(trx, cappedScopes(countedOn, caps, keyCaps), reservedNanoUsd);
  if (refusal === null) return { kind: 'reserved', attempt, reservedNanoUsd };
  await deleteAttempt(trx, turnId, attempt);
  if (exposed !== null) await unexposeUser(trx, exposed);
  return { kind: 'refused', ...refusal };
}

/** A turn that was already answered or degraded keeps that outcome: its calls were made and paid for. */
async function refuseTurn(
  trx: LedgerDatabase,
  request: Timed<AdmitRequest>,
  scope: RefusalScope,
  before: Pick<TurnState, 'outcome' | 'admitted_at_ms' | 'ended_at_ms'>,
): Promise<void> {
  await updateTurn(trx, request.turnId, {
    outcome: before.outcome ?? 'refused',
    admitted_at_ms: before.admitted_at_ms,
    ended_at_ms: before.ended_at_ms ?? request.atMs,
    refused_by: scope,
    refused_request_id: request.requestId,
  });
}
