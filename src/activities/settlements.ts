import type { CallFailure } from '../contract/failures';
import type { Target } from '../contract/policy';
import type { AttemptTicket, ModelCallInput, PromptMeasure, Settlement } from '../contract/turn';
import { measureText } from '../domain/turn/measure-text';
import { type AnsweredCallFacts, bookUsage } from '../domain/turn/book-usage';
import { withHiddenPrompt } from '../domain/turn/hidden-prompt';
import { mayBeAskedFor } from '../domain/turn/outcome-meanings';
import type { CompletionResult } from '../contract/provider';

export type Completed = Extract<CompletionResult, { kind: 'completed' }>;
export type Failed = Extract<CompletionResult, { kind: 'failed' }>;

/** The parameters of the call that was made. */
export interface CallParameters extends Pick<ModelCallInput, 'modelOptions' | 'operation'> {
  readonly target: Target;
  readonly prompt: PromptMeasure;
  /** The completion tokens that the call requested at most. */
  readonly maxTokens: number;
}

export function settlementOfAnswer(ticket: AttemptTicket, result: Completed, call: CallParameters): Settlement {
  const { usage, content, refusal = '', toolCalls = [], thoughts = '' } = result;
  // What is no text has no tokens that its provider must count.
  const isText = call.operation === undefined;
  const said = !isText
    ? ''
    : content + refusal + toolCalls.map((toolCall) => JSON.stringify(toolCall)).join('') + thoughts;
  return {
    attempt: ticket.attempt,
    // Moderations cost nothing at most providers, which then report no usage.
    ...(usage === null && !isText && ticket.reservedNanoUsd === 0
      ? freeCall
      : bookUsage(usage, factsOf(ticket, call, said, said !== ''))),
    outcome: 'answered',
    httpStatus: 200,
    latencyMs: Math.round(result.latencyMs),
    ...firstTokenOf(result),
    endedAtMs: Date.now(),
  };
}

/** A provider that reports what a useless answer took charges for it; of any other call that may be charged nobody knows. */
export function settlementOfFailure(ticket: AttemptTicket, result: Failed, call: CallParameters): Settlement {
  const { failure, latencyMs, usage = null, hasSpoken = false } = result;
  const mayBeCharged = failure.charge === 'unknown';
  return {
    attempt: ticket.attempt,
    ...(mayBeCharged ? bookUsage(usage, factsOf(ticket, call, '', hasSpoken)) : unchargedCall),
    outcome: failure.kind,
    ...(mayBeAskedFor(failure, call.modelOptions) && { mayBeAskedFor: true }),
    httpStatus: failure.httpStatus,
    latencyMs: Math.round(latencyMs),
    ...firstTokenOf(result),
    endedAtMs: Date.now(),
  };
}

function firstTokenOf({ firstTokenMs }: Completed | Failed): Pick<Settlement, 'firstTokenMs'> {
  return firstTokenMs === undefined ? {} : { firstTokenMs };
}

/** Of a reservation whose call was never made. */
export function settlementOfUnused({ attempt }: AttemptTicket, { failure }: Failed): Settlement {
  const { kind: outcome, httpStatus } = failure;
  return { attempt, ...unchargedCall, outcome, httpStatus, latencyMs: 0, endedAtMs: Date.now() };
}

const freeCall = { state: 'settled', costNanoUsd: 0, usage: null } as const;
const unchargedCall = { state: 'released', costNanoUsd: 0, usage: null } as const;

function factsOf(
  { reservedNanoUsd }: AttemptTicket,
  { target, prompt: told, maxTokens, modelOptions }: CallParameters,
  said: string,
  hasSpoken: boolean,
): AnsweredCallFacts {
  const answer = measureText(said);
  const prompt = withHiddenPrompt(told, target, modelOptions);
  const text = {
    characters: prompt.characters + answer.characters,
    cjkCharacters: prompt.cjkCharacters + answer.cjkCharacters,
  };
  const maxCompletionTokens = Math.max(target.maxOutputTokens, maxTokens + target.maxThinkingTokens);
  const { price, maxImageTokens } = target;
  return { price, reservedNanoUsd, prompt, maxImageTokens, text, hasSpoken, maxCompletionTokens };
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
