import pc from 'picocolors';
import type { CostPeriod } from '../contract/ledger';
import { formatUsd, toUsd } from '../domain/turn/prices';
import { withLedger } from '../operator/open-ledger';
import { compareVolume, type VolumeComparison } from '../operator/volume-comparison';
import { renderTable, writeJson, writeLines } from '../terminal/output';

/** `bellwether compare --ledger`: what each configured model would charge for the ledger's own calls. */
export async function showOwnBills(
  period: CostPeriod,
  cjkShare: number,
  isShareGiven: boolean,
  json: boolean | undefined,
): Promise<void> {
  const found = await withLedger(
    (ledger, { policy }) => compareVolume(ledger, policy, period, isShareGiven ? cjkShare : 0),
    (database): never => {
      throw new Error(`There is no ledger in ${database}; set BELLWETHER_DATA_DIR or DATABASE_URL if it is elsewhere.`);
    },
  );
  if (json) writeJson(ownBillsAsJson(found));
  else writeLines(ownBillsAsText(found, isShareGiven));
}

function ownBillsAsText(found: VolumeComparison, isShareGiven: boolean): readonly string[] {
  const { days, promptTokens, completionTokens, bills, paidMonthlyNanoUsd, measuredCjkShare } = found;
  const tokens = promptTokens + completionTokens;
  if (tokens === 0) return ['The ledger has no confirmed calls in this time, so there is nothing to compare.'];
  const rows = bills.map(({ provider, model, price, periodNanoUsd, monthlyNanoUsd }) => [
    provider,
    model,
    `${formatUsd(price.inputNanoUsdPerMillion, 2)} / ${formatUsd(price.outputNanoUsdPerMillion, 2)}`,
    `${price.cjkMultiplierPercent / 100}x`,
    withThousands(formatUsd(periodNanoUsd, 2)),
    withThousands(formatUsd(monthlyNanoUsd, 2)),
    differenceOf(monthlyNanoUsd, paidMonthlyNanoUsd),
  ]);
  const share =
    measuredCjkShare === null
      ? `${asPercent(found.cjkShare)} of the text CJK, ${isShareGiven ? 'as given' : 'assumed: no call had a surcharge to tell it by, so give --cjk-share if you know it'}`
      : `${asPercent(measuredCjkShare)} of the text CJK, told by the surcharges that were paid`;
  return [
    pc.bold(`${tokens.toLocaleString('en-US')} tokens of confirmed calls on ${days === 1 ? '1 day' : `${days} days`}`),
    `${share}.`,
    renderTable(
      [
        { title: 'Provider' },
        { title: 'Model' },
        { title: 'In / out per 1M', align: 'right' },
        { title: 'CJK', align: 'right' },
        { title: 'This time', align: 'right' },
        { title: '30 days', align: 'right' },
        { title: 'To what you pay', align: 'right' },
      ],
      rows,
    ),
    `You paid ${withThousands(formatUsd(found.paidNanoUsd, 2))}; for 30 days like these it would be ${withThousands(formatUsd(paidMonthlyNanoUsd, 2))}.`,
    'Each bill is for the same tokens; another model would count and write them differently.',
  ];
}

/** `-62.5%`: cheaper than what is paid. */
function differenceOf(nanoUsd: number, paidNanoUsd: number): string {
  if (paidNanoUsd === 0) return '';
  const percent = Math.round((nanoUsd / paidNanoUsd - 1) * 1000) / 10;
  return `${percent > 0 ? '+' : ''}${percent}%`;
}

function ownBillsAsJson({ period, bills, ...found }: VolumeComparison): object {
  return {
    from: period.fromDay ?? null,
    to: period.toDay ?? null,
    days: found.days,
    prompt_tokens: found.promptTokens,
    completion_tokens: found.completionTokens,
    paid_usd: toUsd(found.paidNanoUsd),
    paid_monthly_usd: toUsd(found.paidMonthlyNanoUsd),
    measured_cjk_share: found.measuredCjkShare,
    cjk_share: found.cjkShare,
    bills: bills.map(({ provider, model, price, periodNanoUsd, monthlyNanoUsd }) => ({
      provider,
      model,
      input_usd_per_million: toUsd(price.inputNanoUsdPerMillion),
      output_usd_per_million: toUsd(price.outputNanoUsdPerMillion),
      cjk_multiplier: price.cjkMultiplierPercent / 100,
      period_usd: toUsd(periodNanoUsd),
      monthly_usd: toUsd(monthlyNanoUsd),
    })),
  };
}

export function withThousands(amount: string): string {
  return amount.replace(/\B(?=(\d{3})+\.)/g, ',');
}

export function asPercent(share: number): string {
  return `${Math.round(share * 10_000) / 100}%`;
}
