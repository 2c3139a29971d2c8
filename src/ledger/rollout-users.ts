import { type Insertable, type RawBuilder, type Selectable, sql } from 'kysely';
import type { AdmitRequest } from '../contract/ledger';
import type { TrafficSplit } from '../contract/rollout';
import { unknownLanguage } from '../contract/user-evidence';
import type { AttemptState, CountedCall, LockedTurn, TurnState } from './rows';
import type { LedgerDatabase, RolloutUsersTable } from './schema';
import { inStatements } from './statement-sizes';
import { difference, type TurnShare } from './turn-share';

/** The bake number of a user's row for the exposure to the canary in the whole rollout. */
export const wholeRollout = 0;

export const userKey = ['rollout', 'bake', 'arm', 'user_id'] as const;
export type UserKey = Pick<RolloutUsersTable, (typeof userKey)[number]>;

/** The rows of a user that a turn counts in: of its bake, and perhaps of the whole rollout. */
interface UserRows extends Pick<RolloutUsersTable, 'rollout' | 'arm' | 'user_id'> {
  /** Ascending: the order in which every transaction locks a user's rows. */
  readonly bakes: readonly number[];
}

/** A turn that its user's rows count. */
export interface ExposedTurn extends CountedCall {
  readonly rows: UserRows;
  readonly isWithinWindow: RawBuilder<boolean>;
}

type Route = Pick<TurnState, 'arm' | 'rollout' | 'bake'>;
type Asked = Pick<AdmitRequest, 'turnId' | 'sessionId' | 'userId' | 'keyId' | 'language'> & { readonly atMs: number };

/**
 * Counts a turn that is about to be admitted, in one statement, and locks its user's rows until the transaction ends. null:
 * no rollout, or one that does not count users.
 */
export async function exposeUser(
  trx: LedgerDatabase,
  asked: Asked,
  { arm, rollout, bake }: Route,
  split: TrafficSplit | null,
): Promise<ExposedTurn | null> {
  if (rollout === null || bake === null || split?.rollout !== rollout || split.exposure === undefined) return null;
  const { atMs } = asked;
  const { userWindowMs, longestCallMs, maxRequestsPerUser } = split.exposure;
  const isWithinWindow = sql<boolean>`rollout_users.first_at_ms + ${userWindowMs} > ${atMs}`;
  const user = { rollout, arm, user_id: userOf(asked.userId, asked.sessionId, asked.turnId) };
  const bakes = arm === split.canaryArm ? [wholeRollout, bake] : [bake];
  const first = {
    ...user,
    language: asked.language ?? unknownLanguage,
    key_id: asked.keyId ?? null,
    first_at_ms: atMs,
    closes_at_ms: atMs + userWindowMs + longestCallMs,
    turns: 1,
    exposed_turns: 1,
    due_at_ms: 0,
  };
  const counted = await trx
    .insertInto('rollout_users')
    .values(bakes.map((ofBake) => ({ ...first, bake: ofBake })))
    .onConflict((conflict) =>
      conflict.columns(userKey).doUpdateSet({
        turns: sql`rollout_users.turns + 1`,
        exposed_turns: sql`rollout_users.exposed_turns + case when ${isWithinWindow} then 1 else 0 end`,
        due_at_ms: 0,
      }),
    )
    .returning(['bake', sql<number>`case when ${isWithinWindow} then exposed_turns else 0 end`.as('call')])
    .execute();
  const callIn = (wanted: number): number => {
    const call = counted.find((row) => row.bake === wanted)?.call ?? 0;
    return call <= maxRequestsPerUser ? call : 0;
  };
  const inRolloutExposure = callIn(wholeRollout) > 0;
  return { userCall: callIn(bake), inRolloutExposure, rows: { ...user, bakes }, isWithinWindow };
}

/** Takes back `exposeUser` in the same transaction: a budget refused the turn. */
export async function unexposeUser(trx: LedgerDatabase, { rows, isWithinWindow }: ExposedTurn): Promise<void> {
  const { rollout, arm, user_id, bakes } = rows;
  await trx
    .updateTable('rollout_users')
    .set({
      turns: sql`turns - 1`,
      exposed_turns: sql`exposed_turns - case when ${isWithinWindow} then 1 else 0 end`,
    })
    .where((eb) => eb.and({ rollout, arm, user_id }))
    .where('bake', 'in', bakes)
    .execute();
  // A user whose only turn was refused has not been exposed.
  await trx
    .deleteFrom('rollout_users')
    .where((eb) => eb.and({ rollout, arm, user_id, turns: 0 }))
    .where('bake', 'in', bakes)
    .where('counted', 'is', null)
    .execute();
}

/** All turns of a user count together; a turn without user and session counts as its own user. */
export function userOf(userId: string | null, sessionId: string | null, turnId: string): string {
  return userId ?? sessionId ?? turnId;
}

/**
 * Adds the change of a turn's share to its user's rows, in one statement. Call it with the turn locked and before the budgets
 * are; `call` is the turn's first.
 */
export async function changeUser(
  trx: LedgerDatabase,
  turn: LockedTurn,
  call: AttemptState | undefined,
  before: TurnShare,
  after: TurnShare,
): Promise<void> {
  const { rollout, bake, arm, atMs } = turn;
  if (rollout === null || bake === null || call === undefined || call.user_call === null) return;
  if (JSON.stringify(before) === JSON.stringify(after)) return;
  const { first, ...added } = difference(before, after);
  const bakes = call.in_rollout_exposure === 1 ? [wholeRollout, bake] : [bake];
  const change = {
    rollout,
    arm,
    user_id: userOf(turn.user_id, turn.session_id, turn.turn_id),
    turns: added.turns,
    exposed_turns: added.exposedTurns,
    successes: added.successes,
    declined: added.declined,
    answers: added.answers,
    cost_nano_usd: added.costNanoUsd,
    total_answers: added.totalAnswers,
    total_cost_nano_usd: added.totalCostNanoUsd,
    last_call_at_ms: added.result === null ? null : atMs,
    ...(first && {
      first_call: first.call,
      first_latency_ms: first.latencyMs,
      first_token_ms: first.tokenMs,
      first_flags: first.flags,
    }),
  };
  // The failures that opened a circuit have been counted for those who met them, and the comparisons of users count nobody
  // for the failures of others. Whether a canary may advance is another matter.
  const faultsIn = (ofBake: number) => added.faults + (ofBake === wholeRollout ? added.notCalled : 0);
  const rows = bakes.map((ofBake) => ({ ...change, bake: ofBake, faults: faultsIn(ofBake) }));
  await updateUsers(trx, rows, {
    turns: sum('turns'),
    exposed_turns: sum('exposed_turns'),
    successes: sumWhileOpen('successes', atMs),
    faults: sumWhileOpen('faults', atMs),
    declined: sumWhileOpen('declined', atMs),
    answers: sumWhileOpen('answers', atMs),
    cost_nano_usd: sumWhileOpen('cost_nano_usd', atMs),
    total_answers: sum('total_answers'),
    total_cost_nano_usd: sum('total_cost_nano_usd'),
    last_call_at_ms: latest('last_call_at_ms'),
    due_at_ms: 0,
    ...(first && {
      first_call: newWhileOpen('first_call', atMs),
      first_latency_ms: newWhileOpen('first_latency_ms', atMs),
      first_token_ms: newWhileOpen('first_token_ms', atMs),
      first_flags: newWhileOpen('first_flags', atMs),
    }),
  });
}

type Columns = Partial<Insertable<RolloutUsersTable>>;
type Values = Selectable<RolloutUsersTable>;
type NewValues = { readonly [Column in keyof Values]?: RawBuilder<Values[Column]> | Values[Column] };

/**
 * Updates existing rows; in `set`, the values of `rows` are `excluded`. An insert that always meets existing rows: unlike an
 * update, it locks them in the order of its values, and it writes different values to each in both databases. The order is
 * the same for all who wait for such locks, so that they cannot deadlock.
 */
export async function updateUsers(
  trx: LedgerDatabase,
  rows: readonly (UserKey & Columns)[],
  set: NewValues,
): Promise<void> {
  const required = { language: unknownLanguage, first_at_ms: 0, closes_at_ms: 0, turns: 0, exposed_turns: 0 };
  for (const some of inStatements(rows.toSorted(byLockOrder))) {
    await trx
      .insertInto('rollout_users')
      .values(some.map((row) => ({ ...required, ...row })))
      .onConflict((conflict) => conflict.columns(userKey).doUpdateSet(set))
      .execute();
  }
}

/** Compared here, because databases differ in how they compare texts. */
function byLockOrder(a: UserKey, b: UserKey): number {
  const differing = userKey.find((column) => a[column] !== b[column]);
  if (differing === undefined) return 0;
  return a[differing] < b[differing] ? -1 : 1;
}

export function sum(column: keyof RolloutUsersTable): RawBuilder<number> {
  return sql`rollout_users.${sql.ref(column)} + excluded.${sql.ref(column)}`;
}

/** PostgreSQL's `greatest` is `max` in SQLite. */
function latest(column: keyof RolloutUsersTable): RawBuilder<number> {
  const [kept, given] = [sql`rollout_users.${sql.ref(column)}`, sql`excluded.${sql.ref(column)}`];
  return sql`case when ${given} is null or ${kept} > ${given} then ${kept} else ${given} end`;
}

/** What happens after a user is closed no longer counts as evidence. */
function whileOpen<Value>(column: keyof RolloutUsersTable, value: RawBuilder<Value>, atMs: number): RawBuilder<Value> {
  return sql`case when rollout_users.closes_at_ms > ${atMs} then ${value} else rollout_users.${sql.ref(column)} end`;
}

function sumWhileOpen(column: keyof RolloutUsersTable, atMs: number): RawBuilder<number> {
  return whileOpen(column, sum(column), atMs);
}

function newWhileOpen<Value>(column: keyof RolloutUsersTable, atMs: number): RawBuilder<Value> {
  return whileOpen(column, sql<Value>`excluded.${sql.ref(column)}`, atMs);
}
