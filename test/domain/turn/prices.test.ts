import * as fc from 'fast-check';
import type { ModelPrice } from '../../../src/contract/policy';
import {
  costNanoUsd,
  formatUsd,
  promptTokensUpperBound,
  toNanoUsd,
  toUsd,
  worstCaseNanoUsd,
} from '../../../src/domain/turn/prices';

const flat = (usdPerMillion: number, cjkMultiplierPercent = 100): ModelPrice => ({
  inputNanoUsdPerMillion: Math.round(usdPerMillion * 1e9),
  outputNanoUsdPerMillion: Math.round(usdPerMillion * 1e9),
  cachedInputNanoUsdPerMillion: Math.round(usdPerMillion * 1e9),
  cjkMultiplierPercent,
});
const usage = (promptTokens: number, completionTokens: number, cachedPromptTokens = 0) => ({
  promptTokens,
  cachedPromptTokens,
  completionTokens,
});
const english = { characters: 100, cjkCharacters: 0 };
const chinese = { characters: 100, cjkCharacters: 100 };

const prices = fc.record({
  inputNanoUsdPerMillion: fc.integer({ min: 0, max: 100_000_000_000 }),
  outputNanoUsdPerMillion: fc.integer({ min: 0, max: 100_000_000_000 }),
  cachedInputNanoUsdPerMillion: fc.integer({ min: 0, max: 100_000_000_000 }),
  cjkMultiplierPercent: fc.integer({ min: 100, max: 1000 }),
});
const texts = fc
  .tuple(fc.nat({ max: 500_000 }), fc.nat({ max: 500_000 }))
  .map(([cjkCharacters, others]) => ({ characters: cjkCharacters + others, cjkCharacters }));
const usages = fc
  .tuple(fc.nat({ max: 500_000 }), fc.nat({ max: 4000 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([prompt, completion, cachedShare]) => usage(prompt, completion, Math.floor(prompt * cachedShare)));

describe('costNanoUsd', () => {
  it('prices deepseek-v3.2 at 420 nano-dollars a token', () => {
    expect(costNanoUsd(flat(0.42), usage(300, 700), english)).toBe(420_000);
  });

  it('charges no surcharge for English, and three times the price for Chinese, at the legacy provider', () => {
    expect(costNanoUsd(flat(2.8, 300), usage(500, 500), english)).toBe(2_800_000);
    expect(costNanoUsd(flat(2.8, 300), usage(500, 500), chinese)).toBe(8_400_000);
  });

  it('charges the surcharge on the share of the text that is CJK', () => {
    expect(costNanoUsd(flat(2.8, 300), usage(1000, 0), { characters: 100, cjkCharacters: 25 })).toBe(4_200_000);
  });

  it('prices input, cached input and output apart', () => {
    const price = { ...flat(1), cachedInputNanoUsdPerMillion: 100_000_000, outputNanoUsdPerMillion: 3_000_000_000 };
    expect(costNanoUsd(price, usage(1000, 100, 400), english)).toBe(600_000 + 40_000 + 300_000);
  });

  it('prices what is written to a cache apart, where it has a price of its own, and reserves it for the whole prompt', () => {
    const price = { ...flat(1), cacheWriteNanoUsdPerMillion: 1_250_000_000 };
    const used = { ...usage(1000, 0, 400), cacheWriteTokens: 200 };
    expect(costNanoUsd(price, used, english)).toBe(400_000 + 400_000 + 250_000);
    expect(costNanoUsd(flat(1), used, english)).toBe(1_000_000);
    const prompt = { bytes: 968, characters: 968, cjkCharacters: 0, messages: 1 };
    expect(worstCaseNanoUsd(price, prompt, 0)).toBe(1_250_000);
  });

  it('takes no more written tokens than there are prompt tokens besides the cached ones', () => {
    const price = { ...flat(1), cachedInputNanoUsdPerMillion: 0, cacheWriteNanoUsdPerMillion: 2_000_000_000 };
    expect(costNanoUsd(price, { ...usage(10, 0, 4), cacheWriteTokens: 99 }, english)).toBe(12_000);
  });

  it('takes no more cached tokens than there are prompt tokens', () => {
    const price = { ...flat(1), cachedInputNanoUsdPerMillion: 100_000_000 };
    expect(costNanoUsd(price, usage(10, 0, 99), english)).toBe(1000);
  });

  it('rounds a fraction of a nano-dollar up', () => {
    expect(costNanoUsd({ ...flat(0), inputNanoUsdPerMillion: 1 }, usage(1, 0), english)).toBe(1);
    expect(costNanoUsd(flat(0.42), usage(0, 0), english)).toBe(0);
  });

  it('prices a text without characters without surcharge', () => {
    expect(costNanoUsd(flat(2.8, 300), usage(1000, 0), { characters: 0, cjkCharacters: 0 })).toBe(2_800_000);
  });

  it('refuses an amount that a number cannot hold', () => {
    expect(() => costNanoUsd(flat(1e6), usage(1e10, 0), english)).toThrow(/check the configured prices/);
  });

  it('never falls when more tokens are used or more of the text is CJK', () => {
    fc.assert(
      fc.property(prices, usages, texts, (price, used, text) => {
        const cost = costNanoUsd(price, used, text);
        const longer = { ...used, completionTokens: used.completionTokens + 1 };
        expect(costNanoUsd(price, longer, text)).toBeGreaterThanOrEqual(cost);
        const denser = { ...text, cjkCharacters: text.characters };
        expect(costNanoUsd(price, used, denser)).toBeGreaterThanOrEqual(cost);
      }),
    );
  });

  it('is the exact amount, rounded up by less than one nano-dollar', () => {
    fc.assert(
      fc.property(prices, usages, texts, (price, used, text) => {
        const base =
          BigInt(used.promptTokens - used.cachedPromptTokens) * BigInt(price.inputNanoUsdPerMillion) +
          BigInt(used.cachedPromptTokens) * BigInt(price.cachedInputNanoUsdPerMillion) +
          BigInt(used.completionTokens) * BigInt(price.outputNanoUsdPerMillion);
        const characters = BigInt(text.characters);
        const surcharge = BigInt(price.cjkMultiplierPercent - 100) * BigInt(text.cjkCharacters);
        const unit = 100_000_000n * (characters || 1n);
        const exact = base * (100n * (characters || 1n) + surcharge);
        const charged = BigInt(costNanoUsd(price, used, text)) * unit;
        expect(charged >= exact && charged < exact + unit).toBe(true);
      }),
    );
  });
});

describe('worstCaseNanoUsd', () => {
  it('is never less than the cost of any usage within its bounds, whatever the text', () => {
    const prompts = fc.record({
      bytes: fc.nat({ max: 500_000 }),
      characters: fc.nat({ max: 500_000 }),
      cjkCharacters: fc.nat({ max: 500_000 }),
      messages: fc.integer({ min: 1, max: 20 }),
    });
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    const shares = fc.record({ prompt: share, cached: share, completion: share });
    fc.assert(
      fc.property(prices, prompts, texts, fc.nat({ max: 2000 }), shares, (price, prompt, text, maxTokens, used) => {
        const promptTokens = Math.floor(promptTokensUpperBound(prompt) * used.prompt);
        const cachedPromptTokens = Math.floor(promptTokens * used.cached);
        const completionTokens = Math.floor(maxTokens * used.completion);
        const cost = costNanoUsd(price, { promptTokens, cachedPromptTokens, completionTokens }, text);
        expect(worstCaseNanoUsd(price, prompt, maxTokens)).toBeGreaterThanOrEqual(cost);
      }),
    );
  });

  it('is the cost itself when every bound is reached and all text is CJK', () => {
    const prompt = { bytes: 300, characters: 100, cjkCharacters: 100, messages: 2 };
    const used = usage(promptTokensUpperBound(prompt), 1000);
    expect(worstCaseNanoUsd(flat(2.8, 300), prompt, 1000)).toBe(costNanoUsd(flat(2.8, 300), used, chinese));
  });

  it('reserves 0.05 cents for a short question to deepseek-v3.2', () => {
    const prompt = { bytes: 40, characters: 40, cjkCharacters: 0, messages: 1 };
    expect(formatUsd(worstCaseNanoUsd(flat(0.42), prompt, 1000))).toBe('$0.000450');
  });
});

describe('amounts for people', () => {
  it.each([
    [0, 6, '$0.000000'],
    [420_000, 6, '$0.000420'],
    [499, 6, '$0.000000'],
    [500, 6, '$0.000001'],
    [100_000_000_000, 2, '$100.00'],
    [999_999_999, 2, '$1.00'],
    [1_500_000_000, 0, '$2'],
    [-250_000_000, 2, '-$0.25'],
    [-1, 2, '$0.00'],
    [123, 9, '$0.000000123'],
  ])('writes %d nano-dollars with %d decimals as %s', (nanoUsd, decimals, text) => {
    expect(formatUsd(nanoUsd, decimals)).toBe(text);
  });

  it('gives replies dollars with 6 decimals', () => {
    expect(toUsd(420_000)).toBe(0.00042);
    expect(toUsd(1_234_567_891)).toBe(1.234568);
    expect(toUsd(-250_000_000)).toBe(-0.25);
  });

  it('knows the nano-dollars of every reply again', () => {
    fc.assert(fc.property(fc.nat(), (microUsd) => expect(toNanoUsd(toUsd(microUsd * 1000))).toBe(microUsd * 1000)));
  });
});
