import { randomUUID } from 'node:crypto';
import {
  type AttemptResult,
  type ClaimedDelivery,
  giveUpAfterMs,
  type NewNotification,
  type NotAgain,
  type Notification,
  type Notifications,
  type TargetDeliveries,
} from '../contract/notifications';
import type { AuditRow } from '../contract/rollout-ledger';
import { auditColumns } from './audit-trail';
import { nowMs } from './clock';
import { claim, deliveriesByTarget, enqueue, recordAttempt } from './notification-deliveries';
import type { LedgerDatabase, NotificationsTable, Runner } from './schema';
import { readHead } from './traffic-split';

/** Longer than any delivery waits. */
const keptForMs = 7 * giveUpAfterMs;

/** Of one transaction, which others wait for. */
const rowsAtOnce = 50;

/** The cursor with the number of the last notification. Whoever adds one locks it, so numbers are committed in order. */
const lastCursor = 'last';
/** The cursor with the position of the last audit row that was collected. */
const auditCursor = 'audit';
/** The cursor with the number of the last notification that was queued for a target. */
const targetCursor = (target: string): string => `target:${target}`;

/** See `Notifications`. */
export class SqlNotifications implements Notifications {
  constructor(private readonly run: Runner) {}

  register(targets: readonly string[]): Promise<void> {
    return this.run.change(async (trx) => {
      const last = await lockCursor(trx, lastCursor);
      const head = await readHead(trx);
      await beginCursor(trx, auditCursor, head?.position ?? 0);
      for (const target of targets) await beginCursor(trx, targetCursor(target), last);
    });
  }

  add(notification: NewNotification, { key, orAfter = [], withinMs }: NotAgain, atMs?: number): Promise<boolean> {
    return this.run.change(async (trx) => {
      const last = await lockCursor(trx, lastCursor);
      const now = atMs ?? (await nowMs(trx));
      if (await isTold(trx, [key, ...orAfter], now - withinMs)) return false;
      await append(trx, last + 1, notification, key, now);
      await moveCursor(trx, lastCursor, last + 1);
      return true;
    });
  }

  async collect(describe: (row: AuditRow) => NewNotification | null, atMs?: number): Promise<number> {
    let collected = 0;
    while (await this.run.read(hasNewRows)) {
      collected += await this.run.change((trx) => collectRows(trx, describe, atMs));
    }
    return collected;
  }

  async queue(target: string, isWanted: (notification: Notification) => boolean, atMs?: number): Promise<number> {
    let queued = 0;
    const name = targetCursor(target);
    while (await this.run.read(async (db) => (await readCursor(db, name)) < (await readCursor(db, lastCursor)))) {
      queued += await this.run.change(async (trx) => {
        const position = await lockCursor(trx, name);
        // Before the rows: whatever is added in between must not be passed over.
        const last = await readCursor(trx, lastCursor);
        const now = atMs ?? (await nowMs(trx));
        const rows = await trx
          .selectFrom('notifications')
          .selectAll()
          .where('number', '>', position)
          .orderBy('number')
          .limit(rowsAtOnce)
          .execute();
        const wanted = rows.filter((row) => row.created_at_ms > now - giveUpAfterMs && isWanted(notificationOf(row)));
        await enqueue(trx, target, wanted, now);
        // No rows: all that it missed is forgotten.
        await moveCursor(trx, name, rows.at(-1)?.number ?? last);
        return wanted.length;
      });
    }
    return queued;
  }

  claim(target: string, leaseMs: number, atMs?: number): Promise<ClaimedDelivery | null> {
    return this.run.change(async (trx) => {
      const claimed = await claim(trx, target, leaseMs, atMs ?? (await nowMs(trx)));
      if (claimed === null) return null;
      const { number, attempt } = claimed;
      const row = await trx
        .selectFrom('notifications')
        .selectAll()
        .where('number', '=', number)
        .executeTakeFirstOrThrow();
      return { notification: notificationOf(row), target, number, attempt };
    });
  }

  record(delivery: ClaimedDelivery, result: AttemptResult, atMs?: number): Promise<boolean> {
    return this.run.change(async (trx) => recordAttempt(trx, delivery, result, atMs ?? (await nowMs(trx))));
  }

  deliveries(): Promise<readonly TargetDeliveries[]> {
    return this.run.read((db) => deliveriesByTarget(db));
  }

  prune(atMs?: number): Promise<number> {
    return this.run.change(async (trx) => {
      const beforeMs = (atMs ?? (await nowMs(trx))) - keptForMs;
      const { numDeletedRows } = await trx
        .deleteFrom('notifications')
        .where('created_at_ms', '<', beforeMs)
        .executeTakeFirst();
      return Number(numDeletedRows);
    });
  }
}

async function hasNewRows(db: LedgerDatabase): Promise<boolean> {
  const head = await readHead(db);
  return head !== null && (await readCursor(db, auditCursor)) < head.position;
}

async function collectRows(
  trx: LedgerDatabase,
  describe: (row: AuditRow) => NewNotification | null,
  atMs: number | undefined,
): Promise<number> {
  const last = await lockCursor(trx, lastCursor);
  const position = await lockCursor(trx, auditCursor);
  // Before the rows: whatever is recorded in between must not be passed over.
  const head = await readHead(trx);
  const now = atMs ?? (await nowMs(trx));
  const rows = await trx
    .selectFrom('rollout_audit')
    .select(auditColumns)
    .where('position', '>', position)
    .orderBy('position')
    .limit(rowsAtOnce)
    .execute();
  let number = last;
  for (const row of rows) {
    const notification = row.atMs > now - giveUpAfterMs ? describe(row) : null;
    if (notification !== null) await append(trx, ++number, notification, `audit:${row.position}`, now);
  }
  if (number > last) await moveCursor(trx, lastCursor, number);
  // No rows: the end of the trail was cut off, which its verification tells.
  await moveCursor(trx, auditCursor, rows.at(-1)?.position ?? Math.max(position, head?.position ?? 0));
  return rows.length;
}

async function isTold(trx: LedgerDatabase, keys: readonly string[], sinceMs: number): Promise<boolean> {
  const told = trx.selectFrom('notifications').select('number').where('repeat_key', 'in', keys).limit(1);
  const recently = Number.isFinite(sinceMs) ? told.where('created_at_ms', '>', sinceMs) : told;
  return (await recently.executeTakeFirst()) !== undefined;
}

async function append(
  trx: LedgerDatabase,
  number: number,
  { event, rollout, title, text, facts }: NewNotification,
  key: string,
  atMs: number,
): Promise<void> {
  const content: Content = { title, text, facts };
  await trx
    .insertInto('notifications')
    .values({
      number,
      id: `msg_${randomUUID()}`,
      event,
      rollout,
      repeat_key: key,
      content: JSON.stringify(content),
      created_at_ms: atMs,
    })
    .execute();
}

type Content = Pick<Notification, 'title' | 'text' | 'facts'>;

function notificationOf({ id, event, rollout, content, created_at_ms }: NotificationsTable): Notification {
  return { ...(JSON.parse(content) as Content), id, event, rollout, createdAtMs: created_at_ms };
}

/** Locks a cursor until the transaction ends. An insert or update, because SQLite has no `for update`. */
async function lockCursor(trx: LedgerDatabase, name: string): Promise<number> {
  const { position } = await trx
    .insertInto('notification_cursors')
    .values({ name, position: 0 })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ name }))
    .returning('position')
    .executeTakeFirstOrThrow();
  return position;
}

async function readCursor(db: LedgerDatabase, name: string): Promise<number> {
  const row = await db
    .selectFrom('notification_cursors')
    .select('position')
    .where('name', '=', name)
    .executeTakeFirst();
  return row?.position ?? 0;
}

/** Leaves a cursor that exists as it is. */
async function beginCursor(trx: LedgerDatabase, name: string, position: number): Promise<void> {
  await trx
    .insertInto('notification_cursors')
    .values({ name, position })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
}

async function moveCursor(trx: LedgerDatabase, name: string, position: number): Promise<void> {
  await trx.updateTable('notification_cursors').set({ position }).where('name', '=', name).execute();
}
