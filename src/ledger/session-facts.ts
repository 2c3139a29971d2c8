import { sql } from 'kysely';
import type { SessionFacts, TurnFacts } from '../contract/page-ledger';
import { flagsIn } from './labels';
import { exactInteger, total } from './money';
import type { LedgerDatabase } from './schema';
import { sessionScope } from './scopes';
import { padded } from './statement-sizes';

const maxTurns = 200;

/** See `PageReads.session`. */
export async function readSession(db: LedgerDatabase, sessionId: string): Promise<SessionFacts> {
  const turns = await newestTurns(db, sessionId);
  const calls = await callsOf(
    db,
    turns.map(({ turnName }) => turnName),
  );
  const budget = await db
    .selectFrom('budgets')
    .select('spent_nano_usd as spent')
    .where('scope', '=', sessionScope(sessionId))
    .executeTakeFirst();
  return {
    turns: turns.map(({ flags, atMs, ...turn }): TurnFacts => ({
      ...turn,
      atMs: atMs ?? 0,
      flags: flagsIn(flags ?? ''),
      ...(calls.get(turn.turnName) ?? { attempts: 0, promptTokens: 0, completionTokens: 0, costNanoUsd: 0 }),
    })),
    costNanoUsd: exactInteger(budget?.spent ?? 0),
  };
}

function newestTurns(db: LedgerDatabase, sessionId: string) {
  return db
    .selectFrom('turns')
    .leftJoin('feedback', 'feedback.turn_id', 'turns.turn_id')
    .select(['turns.turn_id as turnName', 'turns.admitted_at_ms as atMs', 'turns.ended_at_ms as endedAtMs'])
    .select(['turns.arm', 'turns.target', 'turns.outcome', 'turns.language', 'turns.flags'])
    .select('feedback.signal as feedback')
    .where('turns.session_id', '=', sessionId)
    .where('turns.admitted_at_ms', 'is not', null)
    .orderBy('turns.admitted_at_ms', 'desc')
    .orderBy('turns.turn_id')
    .limit(maxTurns)
    .execute();
}

async function callsOf(db: LedgerDatabase, turns: readonly string[]) {
  if (turns.length === 0) return new Map<string, never>();
  const rows = await db
    .selectFrom('attempts')
    .select(['turn_id as turnName', sql<number>`count(*)`.as('attempts')])
    .select((eb) => [
      total(eb.ref('prompt_tokens')).as('promptTokens'),
      total(eb.ref('completion_tokens')).as('completionTokens'),
      total(eb.ref('cost_nano_usd')).as('costNanoUsd'),
    ])
    .where('turn_id', 'in', padded(turns))
    .groupBy('turn_id')
    .execute();
  return new Map(rows.map(({ turnName, ...calls }) => [turnName, calls]));
}
