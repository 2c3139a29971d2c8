import type { ModelPrice } from '../../contract/policy';
import type { PromptMeasure, TokenUsage } from '../../contract/turn';
import type { TextMeasure } from './measure-text';

/**
 * Tokens that a provider may count in addition to the text: roles, separators and turn markers of its chat template. Known
 * templates (ChatML, DeepSeek, Gemma, Llama 3) take 3 to 6 per message and up to 5 around all of them; 16 leaves room for
 * one with longer role names.
 */
const templateTokensPerMessage = 16;

const nanoUsdPerUsd = 1_000_000_000n;
const tokensPerPriceUnit = 1_000_000n;

/**
 * The cost of a call in nano-dollars, rounded up.
 *
 * `text` measures the prompt and completion together. The CJK multiplier applies to the same share of the tokens as CJK
 * characters have in the text, and not to an empty text.
 */
export function costNanoUsd(price: ModelPrice, usage: TokenUsage, text: TextMeasure): number {
  return toSafeNumber(exactCostNanoUsd(price, usage, text));
}

/** The same for an unvalidated usage: the amount may exceed what a number can hold. */
export function exactCostNanoUsd(price: ModelPrice, usage: TokenUsage, text: TextMeasure): bigint {
  const promptTokens = BigInt(usage.promptTokens);
  const cached = BigInt(Math.min(usage.cachedPromptTokens, usage.promptTokens));
  const written = BigInt(Math.min(usage.cacheWriteTokens ?? 0, usage.promptTokens - Number(cached)));
  const baseCost =
    (promptTokens - cached - written) * BigInt(price.inputNanoUsdPerMillion) +
    cached * BigInt(price.cachedInputNanoUsdPerMillion) +
    written * BigInt(cacheWritePrice(price)) +
    BigInt(usage.completionTokens) * BigInt(price.outputNanoUsdPerMillion);

  const characters = BigInt(Math.max(text.characters, 1));
  const cjk = BigInt(Math.min(text.cjkCharacters, text.characters));
  // Percent × characters, to stay with integers.
  const weight = (characters - cjk) * 100n + cjk * BigInt(price.cjkMultiplierPercent);
  return divideUp(baseCost * weight, tokensPerPriceUnit * 100n * characters);
}

/**
 * The worst-case cost of a call in nano-dollars, whatever it answers: this amount is reserved before the call.
 *
 * A token of a byte-level tokenizer represents at least one byte, so the UTF-8 bytes are an upper bound for the prompt's
 * tokens. All tokens are priced at the highest price of their side and at the full CJK multiplier: a CJK answer can raise
 * the CJK share of the whole text, however little CJK the prompt contains.
 */
export function worstCaseNanoUsd(
  price: ModelPrice,
  prompt: PromptMeasure,
  maxCompletionTokens: number,
  maxImageTokens = 0,
): number {
  const promptTokens = BigInt(promptTokensUpperBound(prompt, maxImageTokens));
  const { inputNanoUsdPerMillion, cachedInputNanoUsdPerMillion } = price;
  const dearestInput = BigInt(Math.max(inputNanoUsdPerMillion, cachedInputNanoUsdPerMillion, cacheWritePrice(price)));
  const baseCost = promptTokens * dearestInput + BigInt(maxCompletionTokens) * BigInt(price.outputNanoUsdPerMillion);
  const multiplierPercent = BigInt(Math.max(price.cjkMultiplierPercent, 100));
  return toSafeNumber(divideUp(baseCost * multiplierPercent, tokensPerPriceUnit * 100n));
}

function cacheWritePrice({ cacheWriteNanoUsdPerMillion, inputNanoUsdPerMillion }: ModelPrice): number {
  return cacheWriteNanoUsdPerMillion ?? inputNanoUsdPerMillion;
}

/** The most tokens that any byte-level tokenizer produces for the prompt, including its chat template and its images. */
export function promptTokensUpperBound(
  { bytes, messages, images = 0 }: Pick<PromptMeasure, 'bytes' | 'messages' | 'images'>,
  maxImageTokens = 0,
): number {
  // Plus one message, for what the template puts around all of them.
  return bytes + images * maxImageTokens + templateTokensPerMessage * (messages + 1);
}

/** `$0.000420`; rounded half up to `decimals` (0 to 9). */
export function formatUsd(nanoUsd: number, decimals = 6): string {
  const step = 10n ** BigInt(9 - decimals);
  const amount = BigInt(nanoUsd);
  const magnitude = amount < 0n ? -amount : amount;
  const rounded = ((magnitude + step / 2n) / step) * step;
  const fraction = (rounded % nanoUsdPerUsd).toString().padStart(9, '0').slice(0, decimals);
  const sign = amount < 0n && rounded > 0n ? '-' : '';
  return `${sign}$${rounded / nanoUsdPerUsd}${decimals > 0 ? `.${fraction}` : ''}`;
}

/** Dollars with 6 decimals, for replies and JSON. */
export function toUsd(nanoUsd: number): number {
  return Number(formatUsd(nanoUsd, 6).replace('$', ''));
}

/** The inverse of `toUsd`. */
export function toNanoUsd(usd: number): number {
  return Math.round(usd * 1_000_000) * 1_000;
}

function divideUp(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}

function toSafeNumber(nanoUsd: bigint): number {
  const value = Number(nanoUsd);
  if (!Number.isSafeInteger(value)) {
    throw new RangeError(
      `A model call cannot cost ${nanoUsd} nano-dollars (over $9,000,000): check the configured prices.`,
    );
  }
  return value;
}
