import { sql } from 'kysely';
import { turnName } from '../contract/names';
import { stopKeptForMs, type TurnState, type TurnStops } from '../contract/turn-stops';
import { lockTurn } from './rows';
import type { LedgerDatabase, Runner } from './schema';
import { padded } from './statement-sizes';

/** The most that one statement asks for or deletes. */
const atOnce = 256;

export class SqlStops implements TurnStops {
  constructor(private readonly run: Runner) {}

  ask(turnNames: readonly string[], atMs: number): Promise<TurnState> {
    return this.run.change((trx) => ask(trx, turnNames, atMs));
  }

  async askAllOf(sessionId: string, exceptTurn: string, atMs: number): Promise<void> {
    await this.run.change(async (trx) => {
      // It has begun before, so that this is a repeated message: turns that came after it are not its to stop.
      if ((await lockTurn(trx, exceptTurn, atMs)) !== undefined) return;
      const open = await trx
        .selectFrom('attempts')
        .select('turn_id')
        .distinct()
        // A literal, because SQLite uses a partial index only if the condition is in the statement's text.
        .where('state', '=', sql.lit('reserved'))
        .where('session_id', '=', sessionId)
        .execute();
      const turnNames = open.map((attempt) => attempt.turn_id);
      // One-shot turns that are charged to the session are no part of its conversation.
      const ofConversation = turnNames.filter((name) => name.endsWith(turnName('', sessionId)) && name !== exceptTurn);
      await insertStops(trx, ofConversation.slice(0, atOnce), atMs);
    });
  }

  async among(turnNames: readonly string[]): Promise<readonly string[]> {
    const stopped: string[] = [];
    for (let from = 0; from < turnNames.length; from += atOnce) {
      const names = padded(turnNames.slice(from, from + atOnce));
      const rows = await this.run.read((db) =>
        db.selectFrom('turn_stops').select('turn_id').where('turn_id', 'in', names).execute(),
      );
      stopped.push(...rows.map((row) => row.turn_id));
    }
    return stopped;
  }

  async prune(nowMs: number): Promise<number> {
    let pruned = 0;
    for (;;) {
      const count = await this.run.change((trx) => deleteOld(trx, nowMs - stopKeptForMs));
      pruned += count;
      if (count < atOnce) return pruned;
    }
  }
}

/** Locks the turn, so that it either has ended before or finds the request when it is admitted again or calls again. */
async function ask(trx: LedgerDatabase, turnNames: readonly string[], atMs: number): Promise<TurnState> {
  const known: string[] = [];
  for (const name of turnNames) {
    const turn = await lockTurn(trx, name, atMs);
    if (turn === undefined) continue;
    if (turn.outcome !== null) return turn.outcome;
    known.push(name);
  }
  await insertStops(trx, known.length > 0 ? known : turnNames, atMs);
  return 'in-progress';
}

async function insertStops(trx: LedgerDatabase, turnNames: readonly string[], atMs: number): Promise<void> {
  for (const name of turnNames) {
    await trx
      .insertInto('turn_stops')
      .values({ turn_id: name, asked_at_ms: atMs })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
}

async function deleteOld(trx: LedgerDatabase, beforeMs: number): Promise<number> {
  const old = trx.selectFrom('turn_stops').select('turn_id').where('asked_at_ms', '<', beforeMs).limit(atOnce);
  const { numDeletedRows } = await trx.deleteFrom('turn_stops').where('turn_id', 'in', old).executeTakeFirst();
  return Number(numDeletedRows);
}
