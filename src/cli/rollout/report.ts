import { Command } from 'commander';
import pc from 'picocolors';
import type { Policy } from '../../contract/policy';
import type { RolloutSpec } from '../../contract/rollout';
import { formatUsd } from '../../domain/turn/prices';
import { migrationReport, migrationVerdict, surchargeNanoUsd } from '../../domain/rollout/migration-report';
import type { ArmTotals, Spending } from '../../contract/rollout-ledger';
import { exitStatusHelp } from '../exit-status';
import { renderTable, writeJson, writeLines } from '../../terminal/output';
import { findRollout, useLedger } from '../../operator/rollout-ledger';
import { formatCostPerSuccess, formatCount, formatLatency, formatSuccessRate } from '../../terminal/format';

/** What the ledger knows of both arms, and the prices that hold now. */
interface ReportBasis {
  readonly spec: RolloutSpec;
  readonly baseline: ArmTotals;
  readonly canary: ArmTotals;
  readonly spending: readonly Spending[];
  readonly policy: Policy;
}

/** `bellwether rollout report`: the migration guide's report of a rollout. */
export function reportCommand(): Command {
  return new Command('report')
    .description("print the migration guide's report, and what it leaves out")
    .argument('[name]', 'the rollout (default: the most recent one)')
    .option('--json', "print exactly the guide's report as JSON")
    .addHelpText('after', `\n${exitStatusHelp}`)
    .action(async (name: string | undefined, { json }: { json?: boolean }) => {
      const basis = await readBasis(name);
      if (json) writeJson(migrationReport(basis.baseline, basis.canary));
      else writeLines(reportLines(basis));
    });
}

function readBasis(name: string | undefined): Promise<ReportBasis> {
  return useLedger(async ({ rollouts }, { policy }) => {
    const { spec } = await findRollout(rollouts, name);
    const [totals, spending] = await Promise.all([rollouts.armTotals(spec.name), rollouts.spending(spec.name)]);
    const totalsOf = (arm: string): ArmTotals => totals.find((row) => row.arm === arm) ?? { ...noTotals, arm };
    return { spec, baseline: totalsOf(spec.baselineArm), canary: totalsOf(spec.canaryArm), spending, policy };
  });
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
};

function reportLines({ spec, baseline, canary, ...basis }: ReportBasis): readonly string[] {
  const report = migrationReport(baseline, canary);
  return [
    pc.bold(`Migration report of ${spec.name}: ${spec.baselineArm} → ${spec.canaryArm}`),
    armTable([baseline, canary]),
    `Latency reduction: ${report.improvement.latency_reduction_pct.toFixed(1)}%`,
    ...surchargeLines({ spec, ...basis }),
    '',
    ...migrationVerdict(report),
    pc.dim("The verdict is the guide's: 99% of what was seen so far. What decides is in `bellwether rollout status`."),
  ];
}

function armTable(arms: readonly ArmTotals[]): string {
  return renderTable(
    [
      { title: 'arm' },
      { title: 'requests', align: 'right' },
      { title: 'success rate (95%)', align: 'right' },
      { title: 'latency mean', align: 'right' },
      { title: 'p95', align: 'right' },
      { title: 'cost', align: 'right' },
      { title: 'unconfirmed', align: 'right' },
      { title: 'per success', align: 'right' },
    ],
    arms.map((arm) => [
      arm.arm,
      formatCount(arm.successes + arm.failures),
      formatSuccessRate(arm.successes, arm.successes + arm.failures),
      formatLatency(arm.latencyMeanMs),
      formatLatency(arm.latencyP95Ms),
      formatUsd(arm.costNanoUsd),
      formatUsd(arm.unconfirmedNanoUsd),
      formatCostPerSuccess(arm.costNanoUsd, arm.successfulTurns),
    ]),
  );
}

/** What the baseline's providers charged beyond the plain price of the tokens. */
function surchargeLines({ spec, spending, policy }: Pick<ReportBasis, 'spec' | 'spending' | 'policy'>): string[] {
  const rows = spending.filter(({ arm }) => arm === spec.baselineArm);
  const priced = rows.map((row) => ({ row, price: priceOf(policy, row) }));
  const charged = rows.reduce((sum, { costNanoUsd }) => sum + costNanoUsd, 0);
  const surcharge = priced.reduce(
    (sum, { row, price }) => sum + (price === undefined ? 0 : surchargeNanoUsd(price, row, row.costNanoUsd)),
    0,
  );
  const unpriced = priced.filter(({ price }) => price === undefined).map(({ row }) => row.target);
  return [
    `CJK surcharge of ${spec.baselineArm}: ${formatUsd(surcharge)} of ${formatUsd(charged)}`,
    ...(unpriced.length === 0
      ? []
      : [
          pc.yellow(
            `The surcharge of ${unpriced.join(', ')} is not known: there is no such target in the configuration.`,
          ),
        ]),
  ];
}

function priceOf({ arms }: Policy, { arm, target, model }: Spending) {
  return arms[arm]?.targets.find((candidate) => candidate.name === target && candidate.model === model)?.price;
}
