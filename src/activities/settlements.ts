import type { CallFailure } from '../contract/failures';
import type { Target } from '../contract/policy';
import type { AttemptTicket, PromptMeasure, Settlement } from '../contract/turn';
import { measureText } from '../domain/turn/measure-text';
import { type AnsweredCallFacts, bookUsage } from '../domain/turn/book-usage';
import type { CompletionResult } from '../contract/provider';

export type Completed = Extract<CompletionResult, { kind: 'completed' }>;
export type Failed = Extract<CompletionResult, { kind: 'failed' }>;

/** The parameters of a call. */
interface CallParameters {
  readonly target: Target;
  readonly prompt: PromptMeasure;
  /** The completion tokens that the call requested at most. */
  readonly maxTokens: number;
}

export function settlementOfAnswer(ticket: AttemptTicket, result: Completed, call: CallParameters): Settlement {
  const { usage, content, refusal = '', toolCalls = [], thoughts = '' } = result;
  const said = content + refusal + toolCalls.map((toolCall) => JSON.stringify(toolCall)).join('') + thoughts;
  return {
    attempt: ticket.attempt,
    ...bookUsage(usage, factsOf(ticket, call, said)),
    outcome: 'answered',
    httpStatus: 200,
    latencyMs: Math.round(result.latencyMs),
    endedAtMs: Date.now(),
  };
}

/** A provider that gave no answer may still have reported what it charges: what it broke off, or that it said nothing. */
export function settlementOfFailure(
  ticket: AttemptTicket,
  { failure, latencyMs, usage = null }: Failed,
  call?: CallParameters,
): Settlement {
  const isReported = call !== undefined && usage !== null && failure.charge === 'unknown';
  const booking = isReported ? bookUsage(usage, factsOf(ticket, call, '')) : unreported(failure);
  return {
    attempt: ticket.attempt,
    ...booking,
    outcome: failure.kind,
    httpStatus: failure.httpStatus,
    latencyMs: Math.round(latencyMs),
    endedAtMs: Date.now(),
  };
}

function unreported({ charge }: CallFailure): Pick<Settlement, 'state' | 'costNanoUsd' | 'usage'> {
  return { state: charge === 'unknown' ? 'unconfirmed' : 'released', costNanoUsd: 0, usage: null };
}

/** What we know about a call independently of the usage that its provider reports. */
function factsOf(
  { reservedNanoUsd }: AttemptTicket,
  { target, prompt, maxTokens }: CallParameters,
  said: string,
): AnsweredCallFacts {
  const answer = measureText(said);
  return {
    price: target.price,
    reservedNanoUsd,
    prompt,
    text: {
      characters: prompt.characters + answer.characters,
      cjkCharacters: prompt.cjkCharacters + answer.cjkCharacters,
    },
    maxCompletionTokens: Math.max(target.maxOutputTokens, maxTokens),
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
