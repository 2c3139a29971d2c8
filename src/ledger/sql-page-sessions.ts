import { maxSessionsOfKey, type PageSession, type PageSessions } from '../contract/page-sessions';
import type { LedgerDatabase, Runner } from './schema';
import { padded } from './statement-sizes';

export class SqlPageSessions implements PageSessions {
  constructor(private readonly run: Runner) {}

  create(session: PageSession): Promise<void> {
    return this.run.change((trx) => insertSession(trx, session));
  }

  findAll(idHashes: readonly string[]): Promise<readonly PageSession[]> {
    return this.run.read((db) => findSessions(db, idHashes));
  }

  end(idHash: string): Promise<void> {
    return this.run.change(async (trx) => {
      await trx.deleteFrom('page_sessions').where('id_hash', '=', idHash).execute();
    });
  }
}

async function insertSession(trx: LedgerDatabase, session: PageSession): Promise<void> {
  const { idHash, keyId, createdAtMs, expiresAtMs } = session;
  await trx.deleteFrom('page_sessions').where('expires_at_ms', '<=', createdAtMs).execute();
  await trx
    .insertInto('page_sessions')
    .values({ id_hash: idHash, key_id: keyId, created_at_ms: createdAtMs, expires_at_ms: expiresAtMs })
    .onConflict((conflict) => conflict.column('id_hash').doNothing())
    .execute();
  const newest = trx
    .selectFrom('page_sessions')
    .select('id_hash')
    .where('key_id', '=', keyId)
    .orderBy('created_at_ms', 'desc')
    .orderBy('id_hash')
    .limit(maxSessionsOfKey);
  await trx.deleteFrom('page_sessions').where('key_id', '=', keyId).where('id_hash', 'not in', newest).execute();
}

async function findSessions(db: LedgerDatabase, idHashes: readonly string[]): Promise<readonly PageSession[]> {
  if (idHashes.length === 0) return [];
  const rows = await db.selectFrom('page_sessions').selectAll().where('id_hash', 'in', padded(idHashes)).execute();
  return rows.map((row) => ({
    idHash: row.id_hash,
    keyId: row.key_id,
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms,
  }));
}
