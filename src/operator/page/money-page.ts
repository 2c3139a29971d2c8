import type { MoneyPage, MoneyRow } from '../../contract/page';
import type { ArmTraffic, SpendingOfToday, SpendingRow, UsedTokens } from '../../contract/page-ledger';
import type { Policy } from '../../contract/policy';
import type { RolloutSpec } from '../../contract/rollout';
import { monthlyCost } from '../costs';
import { savingOf } from '../migration-report';

export function moneyOf(
  spending: SpendingOfToday,
  { budgets }: Pick<Policy, 'budgets'>,
  saved: MoneyPage['saved'],
): MoneyPage {
  const { day, spentNanoUsd, reservedNanoUsd, by, keyNames, total, uncountedFromMs } = spending;
  return {
    day,
    todayNanoUsd: spentNanoUsd,
    dayCapNanoUsd: budgets.dayNanoUsd,
    reservedNanoUsd,
    monthlyNanoUsd: monthlyCost(total.costNanoUsd, total.days),
    byArm: by.arm.map((row) => moneyRow(row, row.key)),
    byModel: by.model.map((row) => moneyRow(row, row.key)),
    byKey: by.key.map((row) => moneyRow(row, keyNames.get(row.key) ?? row.key)),
    saved,
    uncountedFromMs,
  };
}

function moneyRow({ turns, costNanoUsd, unconfirmedNanoUsd }: SpendingRow, name: string): MoneyRow {
  return { name, turns, costNanoUsd, unconfirmedNanoUsd };
}

/** The canary's volume at the baseline's prices, as in `rollout report`; null before the canary has cost anything. */
export function savedBy(
  { baselineArm, canaryArm }: RolloutSpec,
  traffic: readonly ArmTraffic[],
  { arms }: Pick<Policy, 'arms'>,
): MoneyPage['saved'] {
  const used = traffic.flatMap((one) => one.used);
  const by = (arm: string): readonly UsedTokens[] => used.filter((one) => one.arm === arm);
  const saving = savingOf(by(baselineArm), by(canaryArm), arms[baselineArm]?.targets[0]);
  if (saving === null || saving.paidNanoUsd === 0) return null;
  return { withoutNanoUsd: saving.baselineNanoUsd, withNanoUsd: saving.paidNanoUsd };
}
