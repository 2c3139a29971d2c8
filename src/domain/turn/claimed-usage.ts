import type { ModelPrice } from '../../contract/policy';
import type { ClaimedUsage } from '../../contract/provider';
import type { PromptMeasure, Settlement, TokenUsage } from '../../contract/turn';
import type { TextMeasure } from './cjk';
import { exactCostNanoUsd, formatUsd, promptTokensUpperBound } from './prices';

/** What is known of a call without its provider. */
export interface AnsweredCallFacts {
  readonly price: ModelPrice;
  readonly reservedNanoUsd: number;
  readonly prompt: PromptMeasure;
  /** Prompt and completion together. */
  readonly text: TextMeasure;
  /** As many as were asked for, or as many as the target can produce at most: whichever is more. */
  readonly maxCompletionTokens: number;
}

type Booking = Pick<Settlement, 'state' | 'costNanoUsd' | 'usage' | 'usageNote'>;

/**
 * What an answered call is booked at: the one place where a provider's claim becomes an amount of money.
 *
 * A claim that can be true is booked as it is. It may be more than was reserved: a model that thinks may pass what it was
 * asked for, and the provider charges for that. A claim that cannot be true is a fault of the provider's counting, or a
 * lie, and must not use up the budget of a whole day: the reservation stands in for it, as where nothing was claimed.
 * Never throws: the call is bought, and a step that fails now would buy it again.
 */
export function bookUsage(claimed: ClaimedUsage | null, call: AnsweredCallFacts): Booking {
  if (claimed === null) return reservationOf(call);
  const doubt = doubtAbout(claimed, call);
  if (doubt !== null) return { ...reservationOf(call), usageNote: `Not believed: ${doubt}.` };

  const usage = claimed as TokenUsage;
  const cost = exactCostNanoUsd(call.price, usage, call.text);
  if (cost > BigInt(Number.MAX_SAFE_INTEGER)) {
    return { ...reservationOf(call), usageNote: 'Not believed: at the price of the target it costs over $9,000,000.' };
  }
  const costNanoUsd = Number(cost);
  const booking: Booking = { state: 'settled', costNanoUsd, usage };
  if (costNanoUsd <= call.reservedNanoUsd) return booking;
  const [costs, reserved] = [costNanoUsd, call.reservedNanoUsd].map((amount) => formatUsd(amount));
  return {
    ...booking,
    usageNote: `Over the reservation: ${counts(usage)}, which cost ${costs}; ${reserved} was reserved.`,
  };
}

function reservationOf({ reservedNanoUsd }: AnsweredCallFacts): Booking {
  return { state: 'unconfirmed', costNanoUsd: reservedNanoUsd, usage: null };
}

/** Why the claim cannot be true, or null. Only numbers are repeated: a text could hold anything. */
function doubtAbout(claimed: ClaimedUsage, { prompt, maxCompletionTokens }: AnsweredCallFacts): string | null {
  const { promptTokens, completionTokens } = claimed;
  const maxPromptTokens = promptTokensUpperBound(prompt);
  return (
    overLimit('prompt_tokens', promptTokens, maxPromptTokens, 'that the prompt can be') ??
    overLimit(
      'completion_tokens',
      completionTokens,
      maxCompletionTokens,
      'that the target can produce (maxOutputTokens)',
    )
  );
}

function overLimit(field: string, value: unknown, limit: number, meaning: string): string | null {
  if (value === undefined) return `${field} is missing`;
  if (typeof value !== 'number') return `${field} is ${kindOf(value)}, which is no count`;
  if (!Number.isInteger(value) || value < 0) return `${field} is ${value}, which is no count`;
  return value > limit ? `${field} is ${value}, more than the ${limit} ${meaning}` : null;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : `of type ${typeof value}`;
}

function counts({ promptTokens, completionTokens }: TokenUsage): string {
  return `${promptTokens} prompt tokens and ${completionTokens} completion tokens`;
}
