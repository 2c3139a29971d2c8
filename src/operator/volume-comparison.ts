import type { CostPeriod, Ledger } from '../contract/ledger';
import type { ModelPrice, Policy } from '../contract/policy';
import type { Spending } from '../contract/rollout-ledger';
import { billNanoUsd, surchargeNanoUsd } from '../domain/rollout/migration-report';

/** What one model would have charged for the ledger's whole volume. */
interface VolumeBill {
  readonly provider: string;
  readonly model: string;
  readonly price: ModelPrice;
  readonly periodNanoUsd: number;
  readonly monthlyNanoUsd: number;
}

/** The ledger's confirmed calls of a period, at the prices of every configured model. */
export interface VolumeComparison {
  readonly period: CostPeriod;
  /** UTC days with spending. */
  readonly days: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** What providers charged for it. */
  readonly paidNanoUsd: number;
  /** The same for 30 days like these. */
  readonly paidMonthlyNanoUsd: number;
  /** The share of Chinese, Japanese and Korean text, from what surcharges added to the cost; null: no such price was paid. */
  readonly measuredCjkShare: number | null;
  /** What the bills were made with. */
  readonly cjkShare: number;
  /** The cheapest first. */
  readonly bills: readonly VolumeBill[];
}

const daysPerMonth = 30;

/** @param assumedCjkShare used where nothing was measured */
export async function compareVolume(
  ledger: Pick<Ledger, 'volume' | 'costTotals'>,
  policy: Pick<Policy, 'arms'>,
  period: CostPeriod,
  assumedCjkShare: number,
): Promise<VolumeComparison> {
  const [volume, { days }] = await Promise.all([ledger.volume(period), ledger.costTotals(period)]);
  const measuredCjkShare = measureCjkShare(volume, policy);
  const cjkShare = measuredCjkShare ?? assumedCjkShare;
  const monthly = (nanoUsd: number): number => Math.round((nanoUsd * daysPerMonth) / Math.max(days, 1));
  const paidNanoUsd = volume.reduce((sum, { costNanoUsd }) => sum + costNanoUsd, 0);
  const bills = modelsOf(policy).map(({ provider, model, price }) => {
    const surchargeShare = (cjkShare * (price.cjkMultiplierPercent - 100)) / 100;
    const periodNanoUsd = billNanoUsd(price, volume, surchargeShare);
    return { provider, model, price, periodNanoUsd, monthlyNanoUsd: monthly(periodNanoUsd) };
  });
  return {
    period,
    days,
    promptTokens: volume.reduce((sum, { promptTokens }) => sum + promptTokens, 0),
    completionTokens: volume.reduce((sum, { completionTokens }) => sum + completionTokens, 0),
    paidNanoUsd,
    paidMonthlyNanoUsd: monthly(paidNanoUsd),
    measuredCjkShare,
    cjkShare,
    bills: bills.toSorted((one, other) => one.periodNanoUsd - other.periodNanoUsd),
  };
}

function modelsOf({ arms }: Pick<Policy, 'arms'>) {
  const models = new Map(
    Object.values(arms)
      .flatMap(({ targets }) => targets)
      .map((target) => [JSON.stringify([target.provider, target.model]), target]),
  );
  return [...models.values()];
}

/** The ledger has no texts. Where Chinese, Japanese and Korean text costs more, the cost tells how much of it there was. */
function measureCjkShare(volume: readonly Spending[], policy: Pick<Policy, 'arms'>): number | null {
  const models = modelsOf(policy);
  let surcharge = 0;
  let surchargeIfAllWere = 0;
  for (const row of volume) {
    const price = models.find(({ provider, model }) => provider === row.provider && model === row.model)?.price;
    if (price === undefined || price.cjkMultiplierPercent <= 100) continue;
    const added = surchargeNanoUsd(price, row, row.costNanoUsd);
    surcharge += added;
    surchargeIfAllWere += ((row.costNanoUsd - added) * (price.cjkMultiplierPercent - 100)) / 100;
  }
  return surchargeIfAllWere === 0 ? null : Math.min(1, surcharge / surchargeIfAllWere);
}
