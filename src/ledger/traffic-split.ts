import type { ExpressionBuilder, Selectable } from 'kysely';
import type { AuditHead, TrafficSplit } from '../contract/rollout';
import type { LedgerDatabase, LedgerTables } from './schema';

type SplitRow = Selectable<LedgerTables['traffic_split']>;

const splitColumns = [
  'rollout',
  'baseline_arm',
  'canary_arm',
  'percent',
  'bake',
  'active',
  'rescue',
  'salt',
  'user_window_ms',
  'longest_call_ms',
  'max_requests_per_user',
] as const;
const headColumns = ['head_position', 'head_hash'] as const;

/** See `Rollouts.split`. */
export async function readSplit(db: LedgerDatabase): Promise<TrafficSplit | null> {
  const row = await db
    .selectFrom('traffic_split')
    .select(splitColumns)
    .select(foldedRollout)
    .where('id', '=', 1)
    .executeTakeFirstOrThrow();
  return toSplit(row);
}

/** See `Rollouts.auditHead`. */
export async function readHead(db: LedgerDatabase): Promise<AuditHead | null> {
  const row = await db.selectFrom('traffic_split').select(headColumns).where('id', '=', 1).executeTakeFirstOrThrow();
  return row.head_position === 0 ? null : { position: row.head_position, hash: row.head_hash };
}

/**
 * Locks the row until the transaction ends; all recording happens under this lock. The head's position is 0 before the first
 * row. An update, because SQLite has no `for update`.
 */
export async function lockSplit(
  trx: LedgerDatabase,
): Promise<{ readonly split: TrafficSplit | null; readonly head: AuditHead }> {
  const row = await trx
    .updateTable('traffic_split')
    .set((eb) => ({ id: eb.ref('id') }))
    .where('id', '=', 1)
    .returning([...splitColumns, ...headColumns])
    .returning(foldedRollout)
    .executeTakeFirstOrThrow();
  return { split: toSplit(row), head: { position: row.head_position, hash: row.head_hash } };
}

export async function writeSplit(
  trx: LedgerDatabase,
  split: TrafficSplit,
  head: AuditHead,
  atMs: number,
): Promise<void> {
  await trx
    .updateTable('traffic_split')
    .set({
      rollout: split.rollout,
      baseline_arm: split.baselineArm,
      canary_arm: split.canaryArm,
      percent: split.percent,
      bake: split.bake,
      active: split.active ? 1 : 0,
      user_window_ms: split.exposure?.userWindowMs ?? null,
      longest_call_ms: split.exposure?.longestCallMs ?? null,
      max_requests_per_user: split.exposure?.maxRequestsPerUser ?? null,
      rescue: split.rescue ? 1 : 0,
      salt: split.salt,
      head_position: head.position,
      head_hash: head.hash,
      changed_at_ms: atMs,
    })
    .where('id', '=', 1)
    .execute();
}

/** null if the users of the split's rollout are not folded. */
function foldedRollout(eb: ExpressionBuilder<LedgerTables, 'traffic_split'>) {
  return eb
    .selectFrom('rollout_folds')
    .select('rollout_folds.rollout')
    .whereRef('rollout_folds.rollout', '=', 'traffic_split.rollout')
    .as('folded_rollout');
}

type ReadColumns = Pick<SplitRow, (typeof splitColumns)[number]> & { readonly folded_rollout: string | null };

function toSplit(row: ReadColumns): TrafficSplit | null {
  if (row.rollout === null) return null;
  return {
    rollout: row.rollout,
    baselineArm: row.baseline_arm,
    canaryArm: row.canary_arm,
    percent: row.percent,
    bake: row.bake,
    active: row.active === 1,
    rescue: row.rescue === 1,
    salt: row.salt,
    ...exposureIn(row),
  };
}

/** A worker of a version that counted requests alone leaves those of the rollout before. */
function exposureIn(row: ReadColumns): Pick<TrafficSplit, 'exposure'> {
  if (row.folded_rollout === null) return {};
  const {
    user_window_ms: userWindowMs,
    longest_call_ms: longestCallMs,
    max_requests_per_user: maxRequestsPerUser,
  } = row;
  if (userWindowMs === null || longestCallMs === null || maxRequestsPerUser === null) return {};
  return { exposure: { userWindowMs, longestCallMs, maxRequestsPerUser } };
}
