import type { Policy } from '../contract/policy';
import type { RolloutSpec } from '../contract/rollout';
import type { ArmTotals, Rollouts, Spending } from '../contract/rollout-ledger';
import { migrationReport, type MigrationReport, surchargeNanoUsd } from '../domain/rollout/migration-report';
import { satisfactionReport, type SatisfactionReport } from './satisfaction';
import { findRollout } from './trail';

/** The ledger's figures for both arms of a rollout. */
export interface RolloutReport {
  readonly spec: RolloutSpec;
  readonly baseline: ArmTotals;
  readonly canary: ArmTotals;
  /** The migration guide's own report, with its field names. */
  readonly guide: MigrationReport;
  readonly surcharge: Surcharge;
  readonly satisfaction: SatisfactionReport;
}

/** What the baseline's providers charged beyond the plain price of the tokens. */
export interface Surcharge {
  readonly nanoUsd: number;
  /** The total that they charged. */
  readonly ofNanoUsd: number;
  /** Targets without a price in the configuration: their surcharge is unknown. */
  readonly unpricedTargets: readonly string[];
}

/** @param policy contains the current prices */
export async function readReport(rollouts: Rollouts, name: string | undefined, policy: Policy): Promise<RolloutReport> {
  const { spec } = await findRollout(rollouts, name);
  const [totals, spending, feedback] = await Promise.all([
    rollouts.armTotals(spec.name),
    rollouts.spending(spec.name),
    rollouts.feedback(spec.name),
  ]);
  const totalsOf = (arm: string): ArmTotals => totals.find((row) => row.arm === arm) ?? { ...noTotals, arm };
  const [baseline, canary] = [totalsOf(spec.baselineArm), totalsOf(spec.canaryArm)];
  const surcharge = surchargeOf(
    spending.filter(({ arm }) => arm === spec.baselineArm),
    policy,
  );
  const satisfaction = satisfactionReport(feedback, spec);
  return { spec, baseline, canary, guide: migrationReport(baseline, canary), surcharge, satisfaction };
}

const noTotals: Omit<ArmTotals, 'arm'> = {
  turns: 0,
  successes: 0,
  failures: 0,
  latencyMeanMs: null,
  latencyP95Ms: null,
  successfulTurns: 0,
  costNanoUsd: 0,
  unconfirmedNanoUsd: 0,
  rescuedTurns: 0,
  rescueNanoUsd: 0,
};

function surchargeOf(rows: readonly Spending[], policy: Policy): Surcharge {
  const priced = rows.map((row) => ({ row, price: priceOf(policy, row) }));
  return {
    nanoUsd: priced.reduce(
      (sum, { row, price }) => sum + (price === undefined ? 0 : surchargeNanoUsd(price, row, row.costNanoUsd)),
      0,
    ),
    ofNanoUsd: rows.reduce((sum, { costNanoUsd }) => sum + costNanoUsd, 0),
    unpricedTargets: priced.filter(({ price }) => price === undefined).map(({ row }) => row.target),
  };
}

function priceOf({ arms }: Policy, { arm, target, model }: Spending) {
  return arms[arm]?.targets.find((candidate) => candidate.name === target && candidate.model === model)?.price;
}
