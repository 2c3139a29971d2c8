import type { Policy, Target } from '../contract/policy';
import type { RolloutSpec, RolloutState } from '../contract/rollout';
import type { ArmTotals, FailureCount, Rollouts, Spending } from '../contract/rollout-ledger';
import {
  billNanoUsd,
  migrationReport,
  type MigrationReport,
  surchargeNanoUsd,
} from '../domain/rollout/migration-report';
import { userEvidenceRequestOf } from '../domain/rollout/state-by-users';
import { reportOfUsers, type UserReport } from '../domain/rollout/user-report';
import { satisfactionReport, type SatisfactionReport } from './satisfaction';
import { findRollout } from './trail';
import { readView, type RolloutView, withoutTemporal } from './view';

/** What the ledger knows of both arms of a rollout, and what its rule makes of it. */
export interface RolloutReport {
  readonly spec: RolloutSpec;
  /** Where the rollout stands by its own rule. */
  readonly view: RolloutView;
  readonly baseline: ArmTotals;
  readonly canary: ArmTotals;
  /** The migration guide's own report, with its field names. */
  readonly guide: MigrationReport;
  /** How first calls failed. */
  readonly failures: readonly FailureCount[];
  readonly surcharge: Surcharge;
  readonly saving: Saving | null;
  readonly satisfaction: SatisfactionReport;
  /** Null under rule 1, which counts requests. */
  readonly byUsers: UserReport | null;
}

/** What the baseline's providers charged beyond the plain price of the tokens. */
export interface Surcharge {
  readonly nanoUsd: number;
  /** The total that they charged. */
  readonly ofNanoUsd: number;
  /** Targets without a price in the configuration: their surcharge is unknown. */
  readonly unpricedTargets: readonly string[];
}

/** The canary's confirmed calls at the baseline's price. Null where the configuration has no such arm. */
export interface Saving {
  /** What the canary's providers charged. */
  readonly paidNanoUsd: number;
  /** What the same tokens would have cost at the price of the baseline's first target, with the surcharge that it had. */
  readonly baselineNanoUsd: number;
  readonly baselineTarget: string;
}

type Used = Omit<Spending, 'provider'>;

/** @param policy contains the current prices */
export async function readReport(rollouts: Rollouts, name: string | undefined, policy: Policy): Promise<RolloutReport> {
  const known = await findRollout(rollouts, name);
  const { spec, state } = known;
  const [view, totals, spending, failures, feedback, byUsers] = await Promise.all([
    readView(rollouts, known, withoutTemporal),
    rollouts.armTotals(spec.name),
    rollouts.spending(spec.name),
    rollouts.failures(spec.name),
    rollouts.feedback(spec.name),
    spec.rule === 2 ? readUserReport(rollouts, spec, state) : null,
  ]);
  const totalsOf = (arm: string): ArmTotals => totals.find((row) => row.arm === arm) ?? { ...noTotals, arm };
  const [baseline, canary] = [totalsOf(spec.baselineArm), totalsOf(spec.canaryArm)];
  const spentBy = (arm: string) => spending.filter((row) => row.arm === arm);
  return {
    spec,
    view,
    baseline,
    canary,
    guide: migrationReport(baseline, canary),
    failures,
    surcharge: surchargeOf(spentBy(spec.baselineArm), policy),
    saving: savingOf(spentBy(spec.baselineArm), spentBy(spec.canaryArm), policy.arms[spec.baselineArm]?.targets[0]),
    satisfaction: satisfactionReport(feedback, spec),
    byUsers,
  };
}

/** All bakes, as the last analysis counted them. */
export async function readUserReport(
  rollouts: Pick<Rollouts, 'countedUserEvidence'>,
  spec: RolloutSpec,
  state: RolloutState,
): Promise<UserReport> {
  const bakes = Array.from({ length: state.bake }, (_, index) =>
    rollouts.countedUserEvidence(userEvidenceRequestOf(spec, { ...state, bake: index + 1 })),
  );
  return reportOfUsers(await Promise.all(bakes));
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
    ofNanoUsd: costOf(rows),
    unpricedTargets: priced.filter(({ price }) => price === undefined).map(({ row }) => row.target),
  };
}

function priceOf({ arms }: Policy, { arm, target, model }: Spending) {
  return arms[arm]?.targets.find((candidate) => candidate.name === target && candidate.model === model)?.price;
}

/** The ledger has no texts: their share of Chinese, Japanese and Korean is taken from what it cost on the baseline. */
export function savingOf(
  baseline: readonly Used[],
  canary: readonly Used[],
  target: Pick<Target, 'name' | 'model' | 'price'> | undefined,
): Saving | null {
  if (target === undefined) return null;
  const { name, model, price } = target;
  const own = baseline.filter((row) => row.target === name && row.model === model);
  const surcharge = own.reduce((sum, row) => sum + surchargeNanoUsd(price, row, row.costNanoUsd), 0);
  const plain = costOf(own) - surcharge;
  return {
    paidNanoUsd: costOf(canary),
    baselineNanoUsd: billNanoUsd(price, canary, plain > 0 ? surcharge / plain : 0),
    baselineTarget: name,
  };
}

function costOf(rows: readonly Pick<Spending, 'costNanoUsd'>[]): number {
  return rows.reduce((sum, { costNanoUsd }) => sum + costNanoUsd, 0);
}
