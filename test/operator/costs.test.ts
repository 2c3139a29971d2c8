import { noCostsYet, summarise } from '../../src/operator/costs';

const totals = {
  turns: 3,
  attempts: 4,
  tokens: 100,
  costNanoUsd: 7_000_000_000,
  unconfirmedNanoUsd: 1_000_000_000,
  overReservedNanoUsd: 0,
  disbelievedCalls: 0,
  reservedNanoUsd: 500,
  days: 2,
  today: '2026-11-23',
};
const row = (key: string, costNanoUsd: number, unconfirmedNanoUsd: number) => ({
  key,
  turns: 1,
  attempts: 1,
  tokens: 1,
  costNanoUsd,
  unconfirmedNanoUsd,
  overReservedNanoUsd: 0,
  disbelievedCalls: 0,
});

describe('the day’s remaining budget', () => {
  it('counts today’s confirmed and unconfirmed spending, and no other day’s', () => {
    const days = [row('2026-11-24', 9, 9), row('2026-11-23', 4_000_000_000, 1_000_000_000)];
    expect(summarise(totals, days, 100_000_000_000).remainingTodayNanoUsd).toBe(95_000_000_000);
  });

  it('is the whole cap on a day without spending', () => {
    const summary = summarise(totals, [row('2026-11-22', 4_000_000_000, 0)], 100_000_000_000);
    expect(summary.remainingTodayNanoUsd).toBe(100_000_000_000);
  });

  it('is zero if the cap was lowered below the spending', () => {
    expect(summarise(totals, [row('2026-11-23', 4_000_000_000, 0)], 1_000_000_000).remainingTodayNanoUsd).toBe(0);
  });
});

describe('the monthly estimate', () => {
  it('is 30 times the mean of the days with spending, next to the guide’s estimate', () => {
    const summary = summarise(totals, [], 0);
    expect(summary.monthlyNanoUsd).toBe(105_000_000_000);
    expect(summary.guideMonthlyNanoUsd).toBe(210_000_000_000);
  });

  it('is zero before anything ran', () => {
    expect(noCostsYet(5)).toMatchObject({ monthlyNanoUsd: 0, remainingTodayNanoUsd: 5 });
  });
});
