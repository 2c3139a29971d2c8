import { limits } from '../contract/limits';
import type { CompletionResult, ReportedUsage } from '../contract/provider';
import { utf8Prefix } from '../domain/turn/messages';
import type { FailureCause } from './exchange';
import { isBrokenOff, isCutByLength, isWithheld, reasonToTell } from '../domain/turn/finish-reasons';
import { readUsage, usageIn } from './reported-usage';
import { completionSchema } from './response-schemas';
import { isNameless, isUnfinished, readToolCalls } from './tool-calls';

export type Answer = Omit<Extract<CompletionResult, { kind: 'completed' }>, 'kind' | 'latencyMs'>;

/** What the body of a 2xx contains. */
export type Reading =
  | { readonly kind: 'answer'; readonly answer: Answer }
  /** `cause` is null if the body itself says why. */
  | {
      readonly kind: 'none';
      readonly cause: FailureCause | null;
      readonly usage: ReportedUsage | null;
      /** The model said or thought something, which was charged. */
      readonly hasSpoken: boolean;
    };

export function readCompletion(body: unknown, requestedModel: string): Reading {
  const completion = completionSchema.safeParse(body).data;
  const choice = completion?.choices[0];
  // A body that is not a completion is not trusted, not even its usage.
  if (completion === undefined || choice === undefined) {
    return { kind: 'none', cause: null, usage: null, hasSpoken: false };
  }

  const { text, refusal, toolCalls: received, thoughts } = choice.message;
  const usage = readUsage(usageIn(body));
  const reason = choice.finish_reason ?? null;
  const hasSpoken = Boolean(text || refusal || thoughts || received.length > 0);
  const none = (cause: FailureCause | null): Reading => ({ kind: 'none', cause, usage, hasSpoken });
  if (reason !== null && isBrokenOff(reason)) return none({ kind: 'broken-off', reason });
  if (reason === null && received.some(isUnfinished)) return none({ kind: 'truncated' });
  if (!isCutByLength(reason) && received.some(isNameless)) return none({ kind: 'nameless-call' });

  const toolCalls = readToolCalls(received, isCutByLength(reason));
  const hasCalls = toolCalls.length > 0;
  const isEmpty = isBlank(text) && refusal === '' && !hasCalls;
  if (isEmpty && isWithheld(reason)) return none(null);
  // The model may have used its whole token limit for thoughts.
  if (isEmpty && !isCutByLength(reason)) return none({ kind: 'empty', hasReason: reason !== null });

  const answer: Answer = {
    content: text ?? '',
    ...(refusal !== '' && { refusal }),
    ...(hasCalls && { toolCalls }),
    model: completion.model ?? requestedModel,
    finishReason: reasonToTell(reason, hasCalls),
    usage,
  };
  // With tool calls, some providers require even empty thoughts to be sent back.
  return {
    kind: 'answer',
    answer: thoughts === null || (thoughts === '' && !hasCalls) ? answer : withThoughts(answer, thoughts),
  };
}

/** White space alone is no answer. */
function isBlank(text: string | null): boolean {
  return text === null || text.trim() === '';
}

/** Drops thoughts that do not fit, so that the answer is not lost. */
function withThoughts(answer: Answer, thoughts: string): Answer {
  const thoughtful = { ...answer, thoughts: utf8Prefix(thoughts, limits.maxThoughtBytes) };
  return isTooLarge(thoughtful) ? answer : thoughtful;
}

/**
 * Whether the answer is too large to pass on, although the response was within its limit. The usage is not passed on, so
 * it does not count.
 */
export function isTooLarge({ usage: _usage, ...said }: Answer): boolean {
  return Buffer.byteLength(JSON.stringify(said)) > limits.maxAnswerBytes;
}
