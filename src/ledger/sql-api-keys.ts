import { type Selectable, sql } from 'kysely';
import type { ApiKey, ApiKeys, ListedApiKey, NewApiKey, StoredApiKey } from '../contract/api-keys';
import { timeMs } from './clock';
import { requireNanoUsd } from './money';
import type { ApiKeysTable, LedgerDatabase, Runner } from './schema';
import { keyDayScope, keyScope, utcDay } from './scopes';
import { padded } from './statement-sizes';

export class SqlApiKeys implements ApiKeys {
  constructor(private readonly run: Runner) {}

  create(key: NewApiKey): Promise<void> {
    return this.run.change((trx) => insertKey(trx, key));
  }

  list(atMs?: number): Promise<readonly ListedApiKey[]> {
    return this.run.read((db) => listKeys(db, atMs));
  }

  find(id: string): Promise<StoredApiKey | null> {
    return this.run.read((db) => findKey(db, id));
  }

  findAll(ids: readonly string[]): Promise<readonly StoredApiKey[]> {
    return this.run.read((db) => findKeys(db, ids));
  }

  revoke(id: string, atMs: number): Promise<boolean> {
    return this.run.change((trx) => revokeKey(trx, id, atMs));
  }
}

const keyColumns = [
  'api_keys.id',
  'api_keys.name',
  'api_keys.role',
  'api_keys.day_nano_usd',
  'api_keys.total_nano_usd',
  'api_keys.models',
  'api_keys.requests_per_minute',
  'api_keys.created_at_ms',
  'api_keys.expires_at_ms',
  'api_keys.revoked_at_ms',
] as const;

async function insertKey(trx: LedgerDatabase, key: NewApiKey): Promise<void> {
  const { id, name, role, secretHash } = key;
  const inserted = await trx
    .insertInto('api_keys')
    .values({
      id,
      name,
      role,
      secret_hash: secretHash,
      day_nano_usd: key.dayNanoUsd === null ? null : requireNanoUsd('dayNanoUsd', key.dayNanoUsd),
      total_nano_usd: key.totalNanoUsd === null ? null : requireNanoUsd('totalNanoUsd', key.totalNanoUsd),
      models: key.models === null ? null : JSON.stringify(key.models),
      requests_per_minute: key.requestsPerMinute,
      created_at_ms: key.createdAtMs,
      expires_at_ms: key.expiresAtMs,
      revoked_at_ms: null,
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .returning('id')
    .executeTakeFirst();
  if (inserted !== undefined) return;
  const known = await findKey(trx, id);
  if (known?.secretHash !== secretHash) {
    throw new Error(`A different API key with the id ${id} already exists. Create the key again to get another id.`);
  }
}

async function listKeys(db: LedgerDatabase, atMs?: number): Promise<readonly ListedApiKey[]> {
  const { nowMs } = await db.selectNoFrom(timeMs(db, atMs).as('nowMs')).executeTakeFirstOrThrow();
  const scope = sql<string>`${keyScope('')} || api_keys.id`;
  const todaysScope = sql<string>`${scope} || ${keyDayScope('', utcDay(nowMs)).slice(keyScope('').length)}`;
  const rows = await db
    .selectFrom('api_keys')
    .leftJoin('budgets as total', (join) => join.on('total.scope', '=', scope))
    .leftJoin('budgets as today', (join) => join.on('today.scope', '=', todaysScope))
    .select(keyColumns)
    .select(['total.spent_nano_usd as spent', 'today.spent_nano_usd as spentToday'])
    .orderBy('api_keys.created_at_ms')
    .orderBy('api_keys.id')
    .execute();
  return rows.map((row) => ({ ...toKey(row), spentNanoUsd: row.spent ?? 0, spentTodayNanoUsd: row.spentToday ?? 0 }));
}

async function findKey(db: LedgerDatabase, id: string): Promise<StoredApiKey | null> {
  const row = await storedKeys(db).where('api_keys.id', '=', id).executeTakeFirst();
  return row === undefined ? null : toStoredKey(row);
}

async function findKeys(db: LedgerDatabase, ids: readonly string[]): Promise<readonly StoredApiKey[]> {
  if (ids.length === 0) return [];
  return (await storedKeys(db).where('api_keys.id', 'in', padded(ids)).execute()).map(toStoredKey);
}

function storedKeys(db: LedgerDatabase) {
  return db.selectFrom('api_keys').select([...keyColumns, 'api_keys.secret_hash']);
}

async function revokeKey(trx: LedgerDatabase, id: string, atMs: number): Promise<boolean> {
  const revoked = await trx
    .updateTable('api_keys')
    .set((eb) => ({ revoked_at_ms: eb.fn.coalesce('revoked_at_ms', eb.val(atMs)) }))
    .where('id', '=', id)
    .returning('id')
    .executeTakeFirst();
  return revoked !== undefined;
}

function toStoredKey(row: Selectable<ApiKeysTable>): StoredApiKey {
  return { ...toKey(row), secretHash: row.secret_hash };
}

function toKey(row: Omit<Selectable<ApiKeysTable>, 'secret_hash'>): ApiKey {
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    dayNanoUsd: row.day_nano_usd,
    totalNanoUsd: row.total_nano_usd,
    models: row.models === null ? null : (JSON.parse(row.models) as string[]),
    requestsPerMinute: row.requests_per_minute,
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms,
    revokedAtMs: row.revoked_at_ms,
  };
}
