import { sql } from 'kysely';
import type { TargetState, Verification } from '../contract/page-ledger';
import { timeMs } from './clock';
import type { LedgerDatabase } from './schema';

/** A worker says something every 5 seconds at least every third time; one that has not for so long has ended. */
const aliveForMs = 30_000;

/** See `PageTallies.writeTargetStates`. */
export async function writeTargetStates(
  trx: LedgerDatabase,
  worker: string,
  states: readonly TargetState[],
  atMs?: number,
): Promise<void> {
  const now = timeMs(trx, atMs);
  await trx
    .deleteFrom('target_states')
    .where((eb) => eb.or([eb('worker', '=', worker), eb('at_ms', '<', sql<number>`${now} - ${aliveForMs}`)]))
    .execute();
  for (const { provider, model, state, lastSuccessAtMs } of states) {
    await trx
      .insertInto('target_states')
      .values({ worker, provider, model, state, last_success_at_ms: lastSuccessAtMs, at_ms: now })
      .execute();
  }
}

/** See `PageReads.targetStates`. */
export function readTargetStates(db: LedgerDatabase): Promise<readonly TargetState[]> {
  return db
    .selectFrom('target_states')
    .select(['provider', 'model', 'state', 'last_success_at_ms as lastSuccessAtMs'])
    .where('at_ms', '>=', sql<number>`${timeMs(db)} - ${aliveForMs}`)
    .execute();
}

/** Rows of `verifications`. */
const newest = 1;
const claim = 2;
/** Longer than a verification takes. If the worker that began it dies, another one begins after this time. */
const claimedForMs = 10 * 60_000;

/** See `PageReads.verification`. */
export async function readVerification(db: LedgerDatabase): Promise<Verification | null> {
  const row = await db
    .selectFrom('verifications')
    .select(['at_ms as atMs', 'is_intact as isIntact', 'message', 'position'])
    .where('id', '=', newest)
    .executeTakeFirst();
  return row === undefined ? null : { ...row, isIntact: row.isIntact === 1 };
}

/** See `PageTallies.keepVerification`. */
export async function keepVerification(
  trx: LedgerDatabase,
  { isIntact, message, position }: Omit<Verification, 'atMs'>,
): Promise<void> {
  const row = { id: newest, at_ms: timeMs(trx), is_intact: isIntact ? 1 : 0, message, position };
  await trx
    .insertInto('verifications')
    .values(row)
    .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
    .execute();
}

/** See `PageTallies.claimVerification`. */
export async function claimVerification(trx: LedgerDatabase): Promise<boolean> {
  const row = { id: claim, at_ms: timeMs(trx), is_intact: 0, message: '', position: 0 };
  const claimed = await trx
    .insertInto('verifications')
    .values(row)
    .onConflict((conflict) =>
      conflict
        .column('id')
        .doUpdateSet({ at_ms: row.at_ms })
        // A clock may be set back.
        .where(sql<boolean>`abs(${row.at_ms} - verifications.at_ms) >= ${claimedForMs}`),
    )
    .returning('id')
    .executeTakeFirst();
  return claimed !== undefined;
}
