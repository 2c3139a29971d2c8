import type { ModelPrice } from '../../contract/policy';
import { costNanoUsd } from '../turn/prices';

/** A provider and a model, as the migration guide compares them. */
export interface Offer {
  readonly provider: string;
  readonly model: string;
  readonly price: ModelPrice;
  /** What the guide says of it; null where it says nothing. */
  readonly averageLatencyMs: number | null;
  readonly timeoutPercent: number | null;
}

export interface Bill {
  readonly offer: Offer;
  /** Nano-dollars per 1,000,000 tokens, CJK multiplier included. */
  readonly effectiveNanoUsdPerMillion: number;
  readonly monthlyNanoUsd: number;
  /** Against the first offer, in percent; negative when it is dearer. */
  readonly savingPercent: number;
}

/** A bill of more would not fit an exact integer of nano-dollars at the dearest price. */
export const maxComparedTokens = 100_000_000_000;

/** How finely a CJK share is told apart: hundredths of a percent. */
const shareSteps = 10_000;

/**
 * What each offer charges for the same month. `cjkShare` (0 to 1) is the part of the text that is Chinese, Japanese or
 * Korean; input and output are taken to be of the same mix.
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
