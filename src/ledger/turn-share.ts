import { type CallResult, resultOf } from '../domain/turn/outcome-meanings';
import type { AttemptState } from './rows';
import type { TurnsTable } from './schema';

/** How a turn ended so far. */
export type TurnEnd = Pick<TurnsTable, 'outcome' | 'flags' | 'rescued_by'>;

/** What one turn adds to the row of its user. */
export interface TurnShare {
  readonly turns: number;
  readonly exposedTurns: number;
  readonly successes: number;
  readonly faults: number;
  readonly declined: number;
  /** The first call was not made, because the circuit was open: failures of perhaps a single user became this one's. */
  readonly notCalled: number;
  readonly answers: number;
  readonly costNanoUsd: number;
  readonly totalAnswers: number;
  readonly totalCostNanoUsd: number;
  /** Of the first call, even if it does not count. */
  readonly result: CallResult | null;
  /** Of the user's first turn alone. */
  readonly first: FirstTurn | null;
}

interface FirstTurn {
  readonly call: CallResult | null;
  readonly latencyMs: number | null;
  readonly tokenMs: number | null;
  readonly flags: string | null;
}

const noShare: TurnShare = {
  turns: 0,
  exposedTurns: 0,
  successes: 0,
  faults: 0,
  declined: 0,
  notCalled: 0,
  answers: 0,
  costNanoUsd: 0,
  totalAnswers: 0,
  totalCostNanoUsd: 0,
  result: null,
  first: null,
};

/** Takes all attempts of the turn, in order. A turn that counts for nobody, null, adds nothing. */
export function shareOf(end: TurnEnd | null, attempts: readonly AttemptState[]): TurnShare {
  const [call] = attempts;
  if (end === null || call === undefined || call.user_call === null) return noShare;
  const { outcome, flags, rescued_by } = end;
  const meaning = resultOf(call.outcome, call.may_be_asked_for === 1);
  const result = meaning === 'not-called' ? null : meaning;
  const counts = call.user_call > 0 ? 1 : 0;
  // What another arm did to rescue the turn is neither an answer nor a cost of this one.
  const totalAnswers = outcome === 'answered' && rescued_by === null ? 1 : 0;
  const own = attempts.filter(({ arm }) => arm === call.arm);
  const totalCostNanoUsd = own.reduce((sum, attempt) => sum + attempt.cost_nano_usd, 0);
  return {
    turns: 1,
    exposedTurns: counts,
    successes: result === 'success' ? counts : 0,
    faults: result === 'fault' ? counts : 0,
    declined: result === 'declined' ? counts : 0,
    notCalled: meaning === 'not-called' ? counts : 0,
    answers: totalAnswers * counts,
    costNanoUsd: totalCostNanoUsd * counts,
    totalAnswers,
    totalCostNanoUsd,
    result,
    first: call.user_call === 1 ? firstTurn(call, result, totalAnswers === 1 ? (flags ?? '') : null) : null,
  };
}

function firstTurn(call: AttemptState, result: CallResult | null, flags: string | null): FirstTurn {
  // Without the timeouts, the slowest calls would not show.
  const isTimed = call.outcome === 'answered' || call.outcome === 'timeout';
  return {
    call: result,
    latencyMs: isTimed ? call.latency_ms : null,
    tokenMs: call.first_token_ms,
    flags,
  };
}

/** What the row of the user must add when a turn's share changes; `result` is null if it stays. */
export function difference(before: TurnShare, after: TurnShare): TurnShare {
  return {
    turns: after.turns - before.turns,
    exposedTurns: after.exposedTurns - before.exposedTurns,
    successes: after.successes - before.successes,
    faults: after.faults - before.faults,
    declined: after.declined - before.declined,
    notCalled: after.notCalled - before.notCalled,
    answers: after.answers - before.answers,
    costNanoUsd: after.costNanoUsd - before.costNanoUsd,
    totalAnswers: after.totalAnswers - before.totalAnswers,
    totalCostNanoUsd: after.totalCostNanoUsd - before.totalCostNanoUsd,
    result: after.result === before.result ? null : after.result,
    first: after.first ?? (before.first === null ? null : nothingFirst),
  };
}

/** The first turn no longer belongs to the user's row. */
const nothingFirst: FirstTurn = { call: null, latencyMs: null, tokenMs: null, flags: null };
