import type { ModelPrice } from '../../contract/policy';
import { costNanoUsd } from '../turn/prices';

/** A provider and a model, as the migration guide compares them. */
export interface Offer {
  readonly provider: string;
  readonly model: string;
  readonly price: ModelPrice;
  /** The guide's figure; null if it gives none. */
  readonly averageLatencyMs: number | null;
  readonly timeoutPercent: number | null;
}

export interface Bill {
  readonly offer: Offer;
  /** Nano-dollars per 1,000,000 tokens, including any surcharge. */
  readonly effectiveNanoUsdPerMillion: number;
  readonly monthlyNanoUsd: number;
  /** Relative to the first offer, in percent; negative if this one is more expensive. */
  readonly savingPercent: number;
}

/** With more tokens, the bill at the highest price would no longer be an exact integer of nano-dollars. */
export const maxComparedTokens = 100_000_000_000;

/** Resolution of the CJK share: hundredths of a percent. */
const shareSteps = 10_000;

/**
 * What each offer charges for the same month. `cjkShare` (0 to 1) is the share of the text that is Chinese, Japanese or
 * Korean; input and output are assumed to have the same mix.
 */
export function compareBills(offers: readonly Offer[], tokens: number, cjkShare: number): readonly Bill[] {
  const text = { characters: shareSteps, cjkCharacters: Math.round(cjkShare * shareSteps) };
  const monthlyCost = (price: ModelPrice, promptTokens: number): number =>
    costNanoUsd(price, { promptTokens, cachedPromptTokens: 0, completionTokens: 0 }, text);
  const reference = offers[0] ? monthlyCost(offers[0].price, tokens) : 0;
  return offers.map((offer) => {
    const monthlyNanoUsd = monthlyCost(offer.price, tokens);
    return {
      offer,
      monthlyNanoUsd,
      effectiveNanoUsdPerMillion: monthlyCost(offer.price, 1_000_000),
      savingPercent: reference === 0 ? 0 : roundTo(100 * (1 - monthlyNanoUsd / reference), 1),
    };
  });
}

export function roundTo(value: number, decimals: number): number {
  const factor = 10 ** decimals;
  return Math.round(value * factor) / factor;
}
