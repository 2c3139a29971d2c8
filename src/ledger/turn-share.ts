import type { FailureKind } from '../contract/failures';
import type { AttemptState } from './rows';
import type { CallResult, TurnsTable } from './schema';

/**
 * What the ends of a call say about its arm; null: nothing. A cancelled turn, an exhausted budget and a picture that has
 * expired say nothing; a call of unknown end has no outcome.
 */
const callResults: Readonly<Record<'answered' | FailureKind, CallResult | null>> = {
  answered: 'success',
  timeout: 'fault',
  connection: 'fault',
  'rate-limited': 'fault',
  'server-error': 'fault',
  unauthorized: 'fault',
  'malformed-response': 'fault',
  'response-too-large': 'fault',
  'circuit-open': 'fault',
  'bad-request': 'declined',
  'context-length': 'declined',
  'content-filter': 'declined',
  cancelled: null,
  budget: null,
  'image-not-kept': null,
};

/** A kind that only a newer worker knows counts as a fault. */
function callResult(outcome: string | null): CallResult | null {
  if (outcome === null) return null;
  return Object.hasOwn(callResults, outcome) ? callResults[outcome as keyof typeof callResults] : 'fault';
}

/** How a turn ended so far. */
export type TurnEnd = Pick<TurnsTable, 'outcome' | 'flags' | 'rescued_by'>;

/** What one turn adds to the row of its user. */
export interface TurnShare {
  readonly turns: number;
  readonly exposedTurns: number;
  readonly successes: number;
  readonly faults: number;
  readonly declined: number;
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
  const result = callResult(call.outcome);
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
    answers: totalAnswers * counts,
    costNanoUsd: totalCostNanoUsd * counts,
    totalAnswers,
    totalCostNanoUsd,
    result,
    first: call.user_call === 1 ? firstTurn(call, totalAnswers === 1 ? (flags ?? '') : null) : null,
  };
}

function firstTurn(call: AttemptState, flags: string | null): FirstTurn {
  // Without the timeouts, the slowest calls would not show.
  const isTimed = call.outcome === 'answered' || call.outcome === 'timeout';
  return {
    call: callResult(call.outcome),
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
