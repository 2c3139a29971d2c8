import { sql } from 'kysely';
import {
  type AttemptResult,
  type ClaimedDelivery,
  giveUpAfterMs,
  maxWaitingDeliveries,
  type TargetDeliveries,
} from '../contract/notifications';
import type { LedgerDatabase, NotificationsTable } from './schema';

/** Queues notifications for a target. Beyond the limit, the oldest deliveries are given up. */
export async function enqueue(
  trx: LedgerDatabase,
  target: string,
  notifications: readonly NotificationsTable[],
  atMs: number,
): Promise<void> {
  if (notifications.length === 0) return;
  await trx
    .insertInto('notification_deliveries')
    .values(notifications.map(({ number, rollout }) => ({ target, number, queue: rollout ?? '', next_at_ms: atMs })))
    .onConflict((conflict) => conflict.columns(['target', 'number']).doNothing())
    .execute();
  const tooOld = await trx
    .selectFrom('notification_deliveries')
    .select('number')
    .where('target', '=', target)
    .where('ended_at_ms', 'is', null)
    .orderBy('number', 'desc')
    .offset(maxWaitingDeliveries)
    .limit(1)
    .executeTakeFirst();
  if (tooOld === undefined) return;
  await trx
    .updateTable('notification_deliveries')
    .set({ ended_at_ms: atMs, last_error: `more than ${maxWaitingDeliveries} notifications were waiting` })
    .where('target', '=', target)
    .where('ended_at_ms', 'is', null)
    .where('number', '<=', tooOld.number)
    .execute();
}

/** Until `leaseMs` have passed, it is not due; nor is what comes after it in its queue, which waits for it. */
export async function claim(
  trx: LedgerDatabase,
  target: string,
  leaseMs: number,
  atMs: number,
): Promise<Pick<ClaimedDelivery, 'number' | 'attempt'> | null> {
  const due = await trx
    .selectFrom('notification_deliveries as delivery')
    .select(['delivery.number', 'delivery.attempts'])
    .where('delivery.target', '=', target)
    .where('delivery.ended_at_ms', 'is', null)
    .where('delivery.next_at_ms', '<=', atMs)
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('notification_deliveries as earlier')
            .select('earlier.number')
            .whereRef('earlier.target', '=', 'delivery.target')
            .whereRef('earlier.queue', '=', 'delivery.queue')
            .whereRef('earlier.number', '<', 'delivery.number')
            .where('earlier.ended_at_ms', 'is', null),
        ),
      ),
    )
    .orderBy('delivery.number')
    .limit(1)
    .executeTakeFirst();
  if (due === undefined) return null;
  // Another process may have claimed it in between: then its number of attempts is another.
  const claimed = await trx
    .updateTable('notification_deliveries')
    .set({ attempts: due.attempts + 1, next_at_ms: atMs + leaseMs })
    .where('target', '=', target)
    .where('number', '=', due.number)
    .where('attempts', '=', due.attempts)
    .where('ended_at_ms', 'is', null)
    .returning('attempts')
    .executeTakeFirst();
  return claimed === undefined ? null : { number: due.number, attempt: claimed.attempts };
}

/** See `Notifications.record`. */
export async function recordAttempt(
  trx: LedgerDatabase,
  { target, number, attempt, notification }: ClaimedDelivery,
  result: AttemptResult,
  atMs: number,
): Promise<boolean> {
  const waiting = trx
    .updateTable('notification_deliveries')
    .where('target', '=', target)
    .where('number', '=', number)
    .where('ended_at_ms', 'is', null);
  if (result.kind === 'delivered') {
    await waiting.set({ ended_at_ms: atMs, is_delivered: 1, last_error: null }).execute();
    return false;
  }
  const nextAtMs = atMs + result.retryInMs;
  const isGivenUp = nextAtMs >= notification.createdAtMs + giveUpAfterMs;
  const { numUpdatedRows } = await waiting
    .where('attempts', '=', attempt)
    .set({ next_at_ms: nextAtMs, last_error: result.error, ...(isGivenUp && { ended_at_ms: atMs }) })
    .executeTakeFirst();
  return isGivenUp && numUpdatedRows > 0n;
}

/** See `Notifications.deliveries`. */
export async function deliveriesByTarget(db: LedgerDatabase): Promise<readonly TargetDeliveries[]> {
  const rows = await db
    .selectFrom('notification_deliveries')
    .innerJoin('notifications', 'notifications.number', 'notification_deliveries.number')
    .select(({ fn }) => [
      'target',
      fn.sum<number | string>('is_delivered').as('delivered'),
      fn.count<number | string>('ended_at_ms').as('ended'),
      fn.countAll<number | string>().as('all'),
      sql<number | null>`min(case when ended_at_ms is null then created_at_ms end)`.as('oldestWaitingAtMs'),
      sql<number | null>`max(case when is_delivered = 1 then ended_at_ms end)`.as('lastDeliveredAtMs'),
    ])
    .groupBy('target')
    .orderBy('target')
    .execute();
  return Promise.all(
    rows.map(async ({ target, delivered, ended, all, oldestWaitingAtMs, lastDeliveredAtMs }) => ({
      target,
      delivered: Number(delivered),
      waiting: Number(all) - Number(ended),
      givenUp: Number(ended) - Number(delivered),
      oldestWaitingAtMs,
      lastDeliveredAtMs,
      lastError: await lastError(db, target),
    })),
  );
}

async function lastError(db: LedgerDatabase, target: string): Promise<string | null> {
  const failed = db
    .selectFrom('notification_deliveries')
    .select('last_error')
    .where('target', '=', target)
    .where('last_error', 'is not', null)
    .limit(1);
  const waiting = failed.where('ended_at_ms', 'is', null).orderBy('number');
  const givenUp = failed.where('ended_at_ms', 'is not', null).orderBy('number', 'desc');
  const row = (await waiting.executeTakeFirst()) ?? (await givenUp.executeTakeFirst());
  return row?.last_error ?? null;
}
