import type { CallFailure } from '../contract/failures';
import type { Target } from '../contract/policy';
import type { AttemptTicket, PromptMeasure, Settlement } from '../contract/turn';
import { measureText } from '../domain/turn/measure-text';
import { bookUsage } from '../domain/turn/book-usage';
import type { CompletionResult } from '../contract/provider';

export type Completed = Extract<CompletionResult, { kind: 'completed' }>;
export type Failed = Extract<CompletionResult, { kind: 'failed' }>;

/** The parameters of the call that was answered. */
interface CallParameters {
  readonly target: Target;
  readonly prompt: PromptMeasure;
  /** The completion tokens that the call requested at most. */
  readonly maxTokens: number;
}

export function settlementOfAnswer(
  ticket: AttemptTicket,
  result: Completed,
  { target, prompt, maxTokens }: CallParameters,
): Settlement {
  const { usage, content, refusal = '', toolCalls = [] } = result;
  const answer = measureText(content + refusal + toolCalls.map((call) => JSON.stringify(call)).join(''));
  const text = {
    characters: prompt.characters + answer.characters,
    cjkCharacters: prompt.cjkCharacters + answer.cjkCharacters,
  };
  return {
    attempt: ticket.attempt,
    ...bookUsage(usage, {
      price: target.price,
      reservedNanoUsd: ticket.reservedNanoUsd,
      prompt,
      maxImageTokens: target.maxImageTokens,
      text,
      maxCompletionTokens: Math.max(target.maxOutputTokens, maxTokens),
    }),
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

/** The result of a call that was not made. */
export function notMade(kind: CallFailure['kind'], message: string): Failed {
  return {
    kind: 'failed',
    failure: { kind, message, retryable: false, charge: 'not-charged', httpStatus: null, retryAfterMs: null },
    receivedBytes: false,
    latencyMs: 0,
  };
}
