import { roundTo } from './bill-comparison';

/** The figures of the migration guide's case study. Dollars; months of 30 days. */
export const guideCase = {
  tokensPerMonth: 500_000_000,
  legacy: { usdPerMillion: 8.4, usdPerMonth: 4200, latencyMs: 420, timeoutPercent: 15 },
  holysheep: { usdPerMillion: 0.42, usdPerMonth: 680, latencyMs: 180, timeoutPercent: 0.3 },
  advertisedLatencyMs: 50,
  savingUsdPerMonth: 3520,
  migrationUsd: 3000,
  conversations: 2_300_000,
  usdPerConversation: 0.0003,
  yuanPerUsd: 7.3,
} as const;

const daysPerMonth = 30;

export interface FigureCheck {
  /** What the guide says. */
  readonly claim: string;
  readonly holds: boolean;
  /** The same figure, recalculated. */
  readonly arithmetic: string;
}

/** Checks the guide's figures against each other. */
export function checkGuideFigures(): readonly FigureCheck[] {
  const { legacy, holysheep, tokensPerMonth, savingUsdPerMonth, migrationUsd } = guideCase;
  const millions = tokensPerMonth / 1_000_000;
  const legacyBill = millions * legacy.usdPerMillion;
  const holysheepBill = roundTo(millions * holysheep.usdPerMillion, 2);
  const impliedRate = roundTo(holysheep.usdPerMonth / millions, 2);
  const billSaving = roundTo(percentLess(holysheep.usdPerMonth, legacy.usdPerMonth), 1);
  const rateSaving = roundTo(percentLess(holysheep.usdPerMillion, legacy.usdPerMillion), 1);
  const savingPerDay = savingUsdPerMonth / daysPerMonth;
  const paybackDays = Math.ceil(migrationUsd / savingPerDay);
  const conversationsBill = Math.round(guideCase.conversations * guideCase.usdPerConversation);
  const latencySaving = roundTo(percentLess(holysheep.latencyMs, legacy.latencyMs), 1);
  const timeoutSaving = roundTo(percentLess(holysheep.timeoutPercent, legacy.timeoutPercent), 1);
  const yuanSaving = roundTo(percentLess(1, guideCase.yuanPerUsd), 1);

  return [
    {
      claim: `Legacy bill ${usd(legacy.usdPerMonth)} a month`,
      holds: legacyBill === legacy.usdPerMonth,
      arithmetic: `${millions}M tokens at $8.40/1M cost ${usd(legacyBill)}`,
    },
    {
      claim: `HolySheep bill $${holysheep.usdPerMonth} a month at $${holysheep.usdPerMillion}/1M`,
      holds: holysheepBill === holysheep.usdPerMonth,
      arithmetic: `${millions}M tokens at $${holysheep.usdPerMillion}/1M cost $${holysheepBill}; $${holysheep.usdPerMonth} would be $${impliedRate}/1M`,
    },
    {
      claim: `Saving ${Math.round(billSaving)}% of the bill and ${Math.round(rateSaving)}% of the rate`,
      holds: Math.round(billSaving) === Math.round(rateSaving),
      arithmetic: `each is correct for its own figures (${billSaving}% and ${rateSaving}%), but at the same volume they must be equal: saving ${rateSaving}% would mean a bill of $${holysheepBill}`,
    },
    {
      claim: `Saving ${usd(savingUsdPerMonth)} a month, over $42,000 a year`,
      holds: legacy.usdPerMonth - holysheep.usdPerMonth === savingUsdPerMonth && savingUsdPerMonth * 12 > 42_000,
      arithmetic: `${usd(legacy.usdPerMonth)} - $${holysheep.usdPerMonth} = ${usd(savingUsdPerMonth)}; times 12 is ${usd(savingUsdPerMonth * 12)}`,
    },
    {
      claim: `Migration cost of ${usd(migrationUsd)} recovered in under 1 day`,
      holds: paybackDays <= 1,
      arithmetic: `${usd(savingUsdPerMonth)} a month is $${Math.round(savingPerDay)} a day: ${paybackDays} days`,
    },
    {
      claim: `${guideCase.conversations / 1e6} million conversations at $${guideCase.usdPerConversation} each`,
      holds: conversationsBill === holysheepBill,
      arithmetic: `$${conversationsBill}: close to the $${holysheep.usdPerMonth}, given the rounding, and far from the $${holysheepBill} that the price gives`,
    },
    {
      claim: `Price level of ¥1 = $1, saving 85% against ¥${guideCase.yuanPerUsd} per 1K tokens`,
      holds: false,
      arithmetic: `${yuanSaving}% is the saving against an exchange rate of ¥${guideCase.yuanPerUsd} to the dollar; as a price per 1K tokens it would be $1,000/1M`,
    },
    {
      claim: `Average latency under ${guideCase.advertisedLatencyMs} ms`,
      holds: holysheep.latencyMs < guideCase.advertisedLatencyMs,
      arithmetic: `the case itself measured ${holysheep.latencyMs} ms`,
    },
    {
      claim: 'Latency 57% lower, timeouts 98% fewer',
      holds: Math.round(latencySaving) === 57 && Math.round(timeoutSaving) === 98,
      arithmetic: `${legacy.latencyMs} to ${holysheep.latencyMs} ms is ${latencySaving}%; ${legacy.timeoutPercent}% to ${holysheep.timeoutPercent}% is ${timeoutSaving}%`,
    },
  ];
}

function percentLess(value: number, reference: number): number {
  return 100 * (1 - value / reference);
}

function usd(amount: number): string {
  return `$${amount.toLocaleString('en-US')}`;
}
