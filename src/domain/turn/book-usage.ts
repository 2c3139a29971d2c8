import type { ModelPrice } from '../../contract/policy';
import type { ReportedUsage } from '../../contract/provider';
import type { PromptMeasure, Settlement, TokenUsage } from '../../contract/turn';
import type { TextMeasure } from './measure-text';
import { exactCostNanoUsd, formatUsd, promptTokensUpperBound } from './prices';

/** What we know about a call independently of its provider. */
export interface AnsweredCallFacts {
  readonly price: ModelPrice;
  readonly reservedNanoUsd: number;
  readonly prompt: PromptMeasure;
  /** The most tokens that one image can take at this target. */
  readonly maxImageTokens?: number;
  /** Prompt and completion together. */
  readonly text: TextMeasure;
  /** The model said or thought something. */
  readonly hasSpoken: boolean;
  /**
   * The limit that the call requested plus what the target may think beyond it, or the most that the target can produce,
   * whichever is larger.
   */
  readonly maxCompletionTokens: number;
}

type Booking = Pick<Settlement, 'state' | 'costNanoUsd' | 'usage' | 'usageNote'>;

/**
 * Decides what an answered call costs: the only place where the usage reported by a provider becomes an amount of money.
 *
 * A plausible usage is booked as reported. It may exceed the reservation: a reasoning model may exceed the requested
 * limit, and the provider charges for that. An impossible usage is a provider's bug, or a lie, and must not use up a
 * whole day's budget: the reserved amount is booked instead, as if no usage had been reported.
 * Never throws: the call has been paid for, and a step that fails now would pay for another one.
 */
export function bookUsage(claimed: ReportedUsage | null, call: AnsweredCallFacts): Booking {
  if (claimed === null) return reservationOf(call);
  const whole = withThinking(claimed);
  const reason = whyImpossible(whole, call);
  if (reason !== null) return { ...reservationOf(call), usageNote: `Not believed: ${reason}.` };

  const usage = usageOf(whole);
  const cost = exactCostNanoUsd(call.price, usage, call.text);
  if (cost > BigInt(Number.MAX_SAFE_INTEGER)) {
    return { ...reservationOf(call), usageNote: "Not believed: at the target's price it would cost over $9,000,000." };
  }
  const costNanoUsd = Number(cost);
  const booking: Booking = { state: 'settled', costNanoUsd, usage };
  if (costNanoUsd <= call.reservedNanoUsd) return booking;
  const [costs, reserved] = [costNanoUsd, call.reservedNanoUsd].map((amount) => formatUsd(amount));
  return {
    ...booking,
    usageNote: `Over the reservation: ${tokenCounts(usage)} cost ${costs}; ${reserved} was reserved.`,
  };
}

/**
 * The usage with everything that the model produced as its completion tokens. Some providers charge for thoughts but
 * leave them out of the completion tokens: then the total includes them, or there are more reasoning tokens than
 * completion tokens.
 */
function withThinking(claimed: ReportedUsage): ReportedUsage {
  const { promptTokens, completionTokens, totalTokens, reasoningTokens } = claimed;
  const isMissing = completionTokens === undefined || completionTokens === null;
  if (!isCount(promptTokens) || !(isMissing || isCount(completionTokens))) return claimed;
  const said = isMissing ? 0 : completionTokens;
  const inTotal = isCount(totalTokens) ? totalTokens - promptTokens : null;
  if (isMissing && (inTotal === null || inTotal < 0)) return claimed;
  const thought = isCount(reasoningTokens) ? reasoningTokens : 0;
  const apart = thought > said ? (inTotal === null ? said + thought : thought) : 0;
  const completion = Math.max(said, inTotal ?? 0, apart);
  const hidden = isMissing ? 0 : completion - said;
  return { ...claimed, completionTokens: completion, reasoningTokens: Math.min(thought || hidden, completion) };
}

/** Only for a usage that was found possible. */
function usageOf(claimed: ReportedUsage): TokenUsage {
  const { promptTokens, cachedPromptTokens, cacheWriteTokens = 0, completionTokens, reasoningTokens } = claimed;
  return {
    promptTokens: promptTokens as number,
    cachedPromptTokens,
    ...(cacheWriteTokens > 0 && { cacheWriteTokens }),
    completionTokens: completionTokens as number,
    ...(isCount(reasoningTokens) && reasoningTokens > 0 && { reasoningTokens }),
  };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}

function reservationOf({ reservedNanoUsd }: AnsweredCallFacts): Booking {
  return { state: 'unconfirmed', costNanoUsd: reservedNanoUsd, usage: null };
}

/** Why the reported usage is impossible, or null. Quotes only numbers: a text could contain anything. */
function whyImpossible(
  claimed: ReportedUsage,
  { prompt, maxImageTokens, hasSpoken, maxCompletionTokens }: AnsweredCallFacts,
): string | null {
  const { promptTokens, completionTokens } = claimed;
  const maxPromptTokens = promptTokensUpperBound(prompt, maxImageTokens);
  return (
    overLimit('prompt_tokens', promptTokens, maxPromptTokens, 'that the prompt can have') ??
    overLimit(
      'completion_tokens',
      completionTokens,
      maxCompletionTokens,
      'that the target can produce (maxOutputTokens)',
    ) ??
    (promptTokens === 0 ? 'prompt_tokens is 0, but there was a prompt' : null) ??
    (completionTokens === 0 && hasSpoken ? 'completion_tokens is 0, but there was an answer' : null)
  );
}

function overLimit(field: string, value: unknown, limit: number, meaning: string): string | null {
  if (value === undefined) return `${field} is missing`;
  if (typeof value !== 'number') return `${field} is ${describeType(value)}, which is not a count`;
  if (!Number.isInteger(value) || value < 0) return `${field} is ${value}, which is not a count`;
  return value > limit ? `${field} is ${value}, more than the ${limit} ${meaning}` : null;
}

function describeType(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : `of type ${typeof value}`;
}

function tokenCounts({ promptTokens, completionTokens }: TokenUsage): string {
  return `${promptTokens} prompt tokens and ${completionTokens} completion tokens`;
}
