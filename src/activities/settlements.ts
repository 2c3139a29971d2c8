import type { CallFailure } from '../contract/failures';
import type { Target } from '../contract/policy';
import type { AttemptTicket, PromptMeasure, Settlement } from '../contract/turn';
import { measureText } from '../domain/cjk';
import { costNanoUsd } from '../domain/prices';
import type { CompletionResult } from '../providers/provider';

export type Completed = Extract<CompletionResult, { kind: 'completed' }>;
export type Failed = Extract<CompletionResult, { kind: 'failed' }>;

export function settlementOfAnswer(
  ticket: AttemptTicket,
  result: Completed,
  target: Target,
  prompt: PromptMeasure,
): Settlement {
  const { usage, content, refusal = '', toolCalls = [] } = result;
  const answer = measureText(content + refusal + toolCalls.map((call) => JSON.stringify(call)).join(''));
  const text = {
    characters: prompt.characters + answer.characters,
    cjkCharacters: prompt.cjkCharacters + answer.cjkCharacters,
  };
  return {
    attempt: ticket.attempt,
    // An answer without usage was charged, nobody knows how much: the reserved amount stands in.
    state: usage ? 'settled' : 'unconfirmed',
    costNanoUsd: usage ? costNanoUsd(target.price, usage, text) : ticket.reservedNanoUsd,
    usage,
    outcome: 'answered',
    httpStatus: 200,
    latencyMs: Math.round(result.latencyMs),
    endedAtMs: Date.now(),
  };
}

export function settlementOfFailure(ticket: AttemptTicket, { failure, latencyMs }: Failed): Settlement {
  return {
    attempt: ticket.attempt,
    state: failure.charge === 'unknown' ? 'unconfirmed' : 'released',
    costNanoUsd: 0,
    usage: null,
    outcome: failure.kind,
    httpStatus: failure.httpStatus,
    latencyMs: Math.round(latencyMs),
    endedAtMs: Date.now(),
  };
}

/** A call that was not made after all. */
export function notMade(kind: CallFailure['kind'], message: string): Failed {
  return {
    kind: 'failed',
    failure: { kind, message, retryable: false, charge: 'not-charged', httpStatus: null, retryAfterMs: null },
    receivedBytes: false,
    latencyMs: 0,
  };
}
