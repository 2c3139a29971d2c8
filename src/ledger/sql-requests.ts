import { turnName } from '../contract/names';
import {
  bodyHashKeptForMs,
  type FoundRequest,
  type NewRequest,
  type Registration,
  type RegisteredRequest,
  type Requests,
} from '../contract/ledger';
import { sha256 } from '../platform/sha256';
import { isStopAsked } from './rows';
import type { LedgerDatabase, Runner } from './schema';
import { touchSession } from './sql-sessions';

/** The most rows that one statement changes, so that no request waits for a long one. */
const prunedAtOnce = 1_000;

export class SqlRequests implements Requests {
  constructor(private readonly run: Runner) {}

  register(request: NewRequest): Promise<Registration> {
    return this.run.change((trx) => register(trx, request));
  }

  async findByKey(keyId: string, idempotencyKey: string): Promise<RegisteredRequest | null> {
    const known = await this.run.read((db) => requestOfKey(db, keyId, sha256(idempotencyKey)));
    return known ?? null;
  }

  find(turnId: string): Promise<FoundRequest | null> {
    return this.run.read((db) => findRequest(db, turnId));
  }

  async deleteResponse(turnId: string): Promise<void> {
    await this.run.change((trx) =>
      trx.updateTable('requests').set({ response: 'deleted' }).where('turn_id', '=', turnId).execute(),
    );
  }

  async prune(nowMs: number): Promise<number> {
    let pruned = 0;
    for (;;) {
      const count = await this.run.change((trx) => forgetBodyHashes(trx, nowMs - bodyHashKeptForMs));
      pruned += count;
      if (count < prunedAtOnce) return pruned;
    }
  }
}

const requestColumns = [
  'requests.turn_id as turnId',
  'requests.key_id as keyId',
  'requests.session_id as sessionId',
  'requests.body_hash as bodyHash',
  'requests.created_at_ms as createdAtMs',
] as const;

/** One statement for a new request, one more if it is of a session; two for a known one. */
async function register(trx: LedgerDatabase, request: NewRequest): Promise<Registration> {
  const { turnId, keyId, sessionId, idempotencyKey, bodyHash, atMs, response = null } = request;
  const idempotencyKeyHash = idempotencyKey === null ? null : sha256(idempotencyKey);
  // If another transaction is registering the same key, this waits for it and then sees its row.
  const inserted = await trx
    .insertInto('requests')
    .values({
      turn_id: turnId,
      key_id: keyId,
      session_id: sessionId,
      idempotency_key_hash: idempotencyKeyHash,
      body_hash: bodyHash,
      created_at_ms: atMs,
      response,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('turn_id')
    .executeTakeFirst();
  if (inserted !== undefined) {
    if (sessionId !== null) await touchSession(trx, sessionId, keyId, atMs);
    return { turnId, keyId, sessionId, bodyHash, createdAtMs: atMs, isNew: true };
  }

  const known = await knownRequest(trx, turnId, keyId, idempotencyKeyHash);
  if (known === undefined) {
    throw new Error(
      `Turn ${turnId} cannot be registered: another request already has this turn id. Generate a new id for every request.`,
    );
  }
  // The same turn id means that this registration was committed before, but its acknowledgement was lost.
  return { ...known, isNew: known.turnId === turnId };
}

function knownRequest(
  trx: LedgerDatabase,
  turnId: string,
  keyId: string,
  idempotencyKeyHash: string | null,
): Promise<RegisteredRequest | undefined> {
  if (idempotencyKeyHash !== null) return requestOfKey(trx, keyId, idempotencyKeyHash);
  return requestsOf(trx, keyId)
    .where('turn_id', '=', turnId)
    .where('idempotency_key_hash', 'is', null)
    .executeTakeFirst();
}

function requestOfKey(
  db: LedgerDatabase,
  keyId: string,
  idempotencyKeyHash: string,
): Promise<RegisteredRequest | undefined> {
  return requestsOf(db, keyId).where('idempotency_key_hash', '=', idempotencyKeyHash).executeTakeFirst();
}

function requestsOf(db: LedgerDatabase, keyId: string) {
  return db.selectFrom('requests').select(requestColumns).where('key_id', '=', keyId);
}

async function forgetBodyHashes(trx: LedgerDatabase, olderThanMs: number): Promise<number> {
  const old = trx
    .selectFrom('requests')
    .select('turn_id')
    .where('created_at_ms', '<', olderThanMs)
    .where('body_hash', '<>', '')
    .limit(prunedAtOnce);
  const { numUpdatedRows } = await trx
    .updateTable('requests')
    .set({ body_hash: '' })
    .where('turn_id', 'in', old)
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

async function findRequest(db: LedgerDatabase, turnId: string): Promise<FoundRequest | null> {
  const request = await db
    .selectFrom('requests')
    .select([...requestColumns, 'requests.response'])
    .where('requests.turn_id', '=', turnId)
    .executeTakeFirst();
  if (request === undefined) return null;
  const turns = await db
    .selectFrom('turns')
    .select('outcome')
    // The id alone is the name of turns from before names included the session.
    .where('turn_id', 'in', [turnName(turnId, request.sessionId), turnId])
    .execute();
  const outcome = turns.map((turn) => turn.outcome).find((known) => known !== null);
  if (outcome !== undefined || turns.length > 0) {
    return { ...request, outcome: outcome ?? 'in-progress', isAdmitted: true };
  }
  // A turn that was stopped before it was admitted never will be.
  const name = turnName(turnId, request.sessionId);
  const { isStopped } = await db.selectNoFrom(isStopAsked(db, name).as('isStopped')).executeTakeFirstOrThrow();
  return { ...request, outcome: isStopped ? 'stopped' : 'in-progress', isAdmitted: false };
}
