import type { Settlement } from '../contract/turn';
import { changeScope, type ScopeChange } from './budgets';
import { tellWhenCommitted } from './observed';
import { changeUser } from './rollout-users';
import type { AttemptState, LockedTurn } from './rows';
import type { LedgerDatabase } from './schema';
import { byLockOrder, type Scope, scopesOf } from './scopes';
import { shareOf, type TurnEnd } from './turn-share';

/** How an attempt ends; `outcome` is null if it is unknown. */
export type Ending = Omit<Settlement, 'outcome'> & { readonly outcome: Settlement['outcome'] | null };

/** The ending of an attempt whose owner is gone: it counts at the reserved amount. */
export function abandoned(row: AttemptState, atMs: number): Ending {
  return {
    attempt: row.attempt,
    state: 'unconfirmed',
    costNanoUsd: 0,
    usage: null,
    outcome: null,
    httpStatus: null,
    latencyMs: Math.max(0, atMs - row.started_at_ms),
    endedAtMs: atMs,
  };
}

export interface EndedAttempts {
  /** All attempts of the turn, in their new state. */
  readonly attempts: readonly AttemptState[];
  /** The new spent amount of each scope that changed, by name. */
  readonly spentByScope: ReadonlyMap<string, number>;
}

/** A locked turn whose attempts end, and how the turn itself changes in the same transaction; null: it counts for no user. */
export interface EndingTurn extends LockedTurn {
  readonly before: TurnEnd | null;
  readonly after: TurnEnd | null;
}

/** A turn that does not change itself. */
export function unchanged(turn: LockedTurn): EndingTurn {
  return { ...turn, before: turn, after: turn };
}

/**
 * Ends attempts of a locked turn, and updates its user's evidence and then the scopes that they were reserved on.
 * @throws when an attempt does not exist
 */
export async function endAttempts(
  trx: LedgerDatabase,
  turn: EndingTurn,
  attempts: readonly AttemptState[],
  endings: readonly Ending[],
): Promise<EndedAttempts> {
  const current = new Map(attempts.map((row) => [row.attempt, row]));
  const changed: { readonly before: AttemptState; readonly after: AttemptState }[] = [];
  for (const ending of endings) {
    const before = current.get(ending.attempt);
    if (before === undefined) {
      throw new Error(
        `The ledger cannot settle attempt ${ending.attempt} of turn ${turn.turn_id}: there is no such attempt. ` +
          'Only attempts that admit or reserveAttempt returned can be settled.',
      );
    }
    const after = end(before, ending);
    if (after === before) continue;
    await updateAttempt(trx, after);
    current.set(after.attempt, after);
    changed.push({ before, after });
    tellOfEnding(trx, before, after);
  }
  const ended = [...current.values()];
  await changeUser(trx, turn, ended[0], shareOf(turn.before, attempts), shareOf(turn.after, ended));
  return { attempts: ended, spentByScope: await updateScopes(trx, changed) };
}

function tellOfEnding(trx: LedgerDatabase, before: AttemptState, after: AttemptState): void {
  const { arm, target, outcome, first_token_ms: firstTokenMs } = after;
  const unconfirmedNanoUsd = unconfirmedBy(after) - unconfirmedBy(before);
  const confirmedNanoUsd = after.state === 'settled' ? after.cost_nano_usd : 0;
  tellWhenCommitted(trx, (observer) => observer.costChanged({ arm, target, confirmedNanoUsd, unconfirmedNanoUsd }));
  // An ending that comes late is told as unknown already.
  if (before.state !== 'reserved' || !isCall(after)) return;
  const latencyMs = after.latency_ms ?? 0;
  tellWhenCommitted(trx, (observer) => observer.callEnded({ arm, target, outcome, latencyMs, firstTokenMs }));
}

function unconfirmedBy({ state, cost_nano_usd }: AttemptState): number {
  return state === 'unconfirmed' ? cost_nano_usd : 0;
}

/** Whether a call was made or may have been made. A reservation released because of an open circuit or a replacement call never was one. */
export function isCall({ state, outcome }: AttemptState): boolean {
  return state !== 'released' || !['circuit-open', 'cancelled', 'image-not-kept'].includes(outcome ?? '');
}

/** The attempt after the ending; the same object if it had already ended for good. */
function end(row: AttemptState, given: Ending): AttemptState {
  const ending = withStorableNumbers(given);
  switch (row.state) {
    case 'settled':
    case 'released':
      return row;
    case 'unconfirmed':
      if (ending.state === 'unconfirmed') return row;
      break;
    case 'reserved':
      break;
  }
  return {
    ...row,
    usage_note: ending.usageNote ?? null,
    state: ending.state,
    cost_nano_usd: costOf(row, ending),
    prompt_tokens: ending.usage?.promptTokens ?? 0,
    cached_prompt_tokens: ending.usage?.cachedPromptTokens ?? 0,
    cache_write_tokens: ending.usage?.cacheWriteTokens ?? 0,
    completion_tokens: ending.usage?.completionTokens ?? 0,
    outcome: ending.outcome,
    http_status: ending.httpStatus,
    latency_ms: Math.round(ending.latencyMs),
    ended_at_ms: Math.round(ending.endedAtMs),
    first_token_ms: rounded(ending.firstTokenMs),
    may_be_asked_for: ending.mayBeAskedFor ? 1 : 0,
  };
}

/**
 * The ending with numbers that fit a row. The call has been made: rejecting the settlement would leave the attempt and its
 * turn open forever, so the attempt counts at the reserved amount instead.
 */
function withStorableNumbers(ending: Ending): Ending {
  const { promptTokens = 0, cachedPromptTokens = 0, cacheWriteTokens = 0, completionTokens = 0 } = ending.usage ?? {};
  const costNanoUsd = ending.state === 'settled' ? ending.costNanoUsd : 0;
  const numbers = { costNanoUsd, promptTokens, cachedPromptTokens, cacheWriteTokens, completionTokens };
  const invalid = Object.entries(numbers).find(([, value]) => !Number.isSafeInteger(value) || value < 0);
  if (invalid === undefined) return ending;
  const usageNote = `Not booked: ${invalid[0]} is ${invalid[1]}, which is not a count.`;
  return { ...ending, state: 'unconfirmed', usage: null, usageNote };
}

function rounded(value: number | null | undefined): number | null {
  return value === null || value === undefined ? null : Math.round(value);
}

function costOf(row: AttemptState, ending: Ending): number {
  if (ending.state === 'settled') return ending.costNanoUsd;
  return ending.state === 'unconfirmed' ? row.reserved_nano_usd : 0;
}

async function updateAttempt(trx: LedgerDatabase, row: AttemptState): Promise<void> {
  const { state, cost_nano_usd, prompt_tokens, cached_prompt_tokens, cache_write_tokens, completion_tokens } = row;
  const { outcome, http_status, latency_ms, ended_at_ms, usage_note, first_token_ms, may_be_asked_for } = row;
  await trx
    .updateTable('attempts')
    .set({ state, cost_nano_usd, prompt_tokens, cached_prompt_tokens, cache_write_tokens, completion_tokens })
    .set({ outcome, http_status, latency_ms, ended_at_ms, usage_note, first_token_ms, may_be_asked_for })
    .where('turn_id', '=', row.turn_id)
    .where('attempt', '=', row.attempt)
    .execute();
}

/** One statement per scope. */
async function updateScopes(
  trx: LedgerDatabase,
  changed: readonly { readonly before: AttemptState; readonly after: AttemptState }[],
): Promise<ReadonlyMap<string, number>> {
  const changes = new Map<string, { readonly scope: Scope; readonly change: ScopeChange }>();
  for (const { before, after } of changed) {
    for (const scope of scopesOf({ sessionId: after.session_id, keyId: after.key_id, day: after.day })) {
      const soFar = changes.get(scope.name)?.change ?? { spentNanoUsd: 0, reservedNanoUsd: 0 };
      const change = {
        spentNanoUsd: soFar.spentNanoUsd + after.cost_nano_usd - before.cost_nano_usd,
        reservedNanoUsd: soFar.reservedNanoUsd + reservedBy(after) - reservedBy(before),
      };
      changes.set(scope.name, { scope, change });
    }
  }
  const spentByScope = new Map<string, number>();
  for (const { scope, change } of [...changes.values()].toSorted((a, b) => byLockOrder(a.scope, b.scope))) {
    spentByScope.set(scope.name, await changeScope(trx, scope.name, change));
  }
  return spentByScope;
}

function reservedBy(row: AttemptState): number {
  return row.state === 'reserved' ? row.reserved_nano_usd : 0;
}
