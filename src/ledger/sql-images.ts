import { keptForMs, maxBytesOfKey, type StoredImage, type StoredImages } from '../contract/images';
import type { LedgerDatabase, Runner } from './schema';

/** A use is written only when it changes the expiry by this much: a picture of a chat comes again with every turn. */
const renewEveryMs = 60 * 60 * 1000;

/** Of one statement: neither database likes a transaction that deletes gigabytes. */
const prunedAtOnce = 100;

export class SqlImages implements StoredImages {
  constructor(private readonly run: Runner) {}

  async use(keyId: string, ids: readonly string[], nowMs: number): Promise<ReadonlyMap<string, number>> {
    const found = await this.run.read((db) => find(db, keyId, ids, nowMs));
    const isOld = found.filter(({ expires_at_ms }) => expires_at_ms < nowMs + keptForMs - renewEveryMs);
    if (isOld.length > 0) {
      await this.run.change((trx) =>
        trx
          .updateTable('images')
          .set({ expires_at_ms: nowMs + keptForMs })
          .where('key_id', '=', keyId)
          .where(
            'id',
            'in',
            isOld.map(({ id }) => id),
          )
          .execute(),
      );
    }
    return new Map(found.map(({ id, size }) => [id, size]));
  }

  async add(keyId: string, { id, size, data }: StoredImage, nowMs: number): Promise<void> {
    const expires_at_ms = nowMs + keptForMs;
    await this.run.change(async (trx) => {
      await makeRoom(trx, keyId, size);
      await trx
        .insertInto('images')
        .values({ key_id: keyId, id, size, data: Buffer.from(data), expires_at_ms })
        .onConflict((conflict) => conflict.columns(['key_id', 'id']).doUpdateSet({ expires_at_ms }))
        .execute();
    });
  }

  async read(keyId: string, id: string): Promise<Uint8Array | null> {
    const found = await this.run.read((db) =>
      db.selectFrom('images').select('data').where('key_id', '=', keyId).where('id', '=', id).executeTakeFirst(),
    );
    return found?.data ?? null;
  }

  async prune(nowMs: number): Promise<number> {
    let pruned = 0;
    for (;;) {
      const count = await this.run.change((trx) => deleteExpired(trx, nowMs));
      pruned += count;
      if (count < prunedAtOnce) return pruned;
    }
  }
}

function find(db: LedgerDatabase, keyId: string, ids: readonly string[], nowMs: number) {
  if (ids.length === 0) return Promise.resolve([]);
  return db
    .selectFrom('images')
    .select(['id', 'size', 'expires_at_ms'])
    .where('key_id', '=', keyId)
    .where('id', 'in', ids)
    .where('expires_at_ms', '>', nowMs)
    .execute();
}

/** Deletes the key's least recently used ones until another one fits. */
async function makeRoom(trx: LedgerDatabase, keyId: string, size: number): Promise<void> {
  const ofKey = trx.selectFrom('images').where('key_id', '=', keyId);
  const { total } = await ofKey
    .select((build) => build.fn.coalesce(build.fn.sum<number | string>('size'), build.lit(0)).as('total'))
    .executeTakeFirstOrThrow();
  let excess = Number(total) + size - maxBytesOfKey;
  if (excess <= 0) return;
  const oldest = await ofKey.select(['id', 'size']).orderBy('expires_at_ms').limit(prunedAtOnce).execute();
  for (const image of oldest) {
    if (excess <= 0) return;
    await trx.deleteFrom('images').where('key_id', '=', keyId).where('id', '=', image.id).execute();
    excess -= image.size;
  }
}

async function deleteExpired(trx: LedgerDatabase, nowMs: number): Promise<number> {
  const expired = await trx
    .selectFrom('images')
    .select(['key_id', 'id'])
    .where('expires_at_ms', '<=', nowMs)
    .limit(prunedAtOnce)
    .execute();
  for (const { key_id, id } of expired) {
    await trx
      .deleteFrom('images')
      .where('key_id', '=', key_id)
      .where('id', '=', id)
      .where('expires_at_ms', '<=', nowMs)
      .execute();
  }
  return expired.length;
}
