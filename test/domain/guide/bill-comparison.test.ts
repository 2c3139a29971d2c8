import { compareBills, type Offer } from '../../../src/domain/guide/bill-comparison';

const offer = (usdPerMillion: number, cjkMultiplierPercent: number): Offer => ({
  provider: 'a provider',
  model: 'a-model',
  price: {
    inputNanoUsdPerMillion: usdPerMillion * 1e9,
    outputNanoUsdPerMillion: usdPerMillion * 1e9,
    cachedInputNanoUsdPerMillion: usdPerMillion * 1e9,
    cjkMultiplierPercent,
  },
  averageLatencyMs: null,
  timeoutPercent: null,
});

describe('compareBills', () => {
  it('raises the rate by the surcharge on the share of CJK text', () => {
    const rates = [0, 0.25, 0.3333, 1].map(
      (share) => compareBills([offer(2.8, 300)], 1_000_000, share)[0]?.effectiveNanoUsdPerMillion,
    );
    expect(rates).toEqual([2_800_000_000, 4_200_000_000, 4_666_480_000, 8_400_000_000]);
  });

  it('measures savings against the first offer', () => {
    const bills = compareBills([offer(2, 100), offer(1, 100), offer(3, 100)], 1_000_000, 0.5);
    expect(bills.map(({ savingPercent }) => savingPercent)).toEqual([0, 50, -50]);
  });

  it('saves nothing compared with a free offer', () => {
    expect(compareBills([offer(0, 100), offer(1, 100)], 1_000_000, 0)[1]?.savingPercent).toBe(0);
  });

  it('has no bills without offers', () => {
    expect(compareBills([], 1_000_000, 1)).toEqual([]);
  });
});
