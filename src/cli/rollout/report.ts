import { Command } from 'commander';
import pc from 'picocolors';
import { formatUsd } from '../../domain/turn/prices';
import { migrationVerdict } from '../../domain/rollout/migration-report';
import type { ArmTotals } from '../../contract/rollout-ledger';
import { exitStatusHelp } from '../exit-status';
import { renderTable, writeJson, writeLines } from '../../terminal/output';
import { readReport, type RolloutReport, type Surcharge } from '../../operator/migration-report';
import { withOperator } from '../../operator/rollout-operator';
import { formatCostPerSuccess, formatCount, formatLatency, formatSuccessRate } from '../../terminal/format';

/** `bellwether rollout report`: the migration guide's report of a rollout. */
export function reportCommand(): Command {
  return new Command('report')
    .description("print the migration guide's report, and what it leaves out")
    .argument('[name]', 'the rollout (default: the most recent one)')
    .option('--json', "print exactly the guide's report as JSON")
    .addHelpText('after', `\n${exitStatusHelp}`)
    .action(async (name: string | undefined, { json }: { json?: boolean }) => {
      const report = await withOperator(({ rollouts }, { policy }) => readReport(rollouts, name, policy));
      if (json) writeJson(report.guide);
      else writeLines(reportLines(report));
    });
}

function reportLines({ spec, baseline, canary, guide, surcharge }: RolloutReport): readonly string[] {
  return [
    pc.bold(`Migration report of ${spec.name}: ${spec.baselineArm} → ${spec.canaryArm}`),
    armTable([baseline, canary]),
    `Latency reduction: ${guide.improvement.latency_reduction_pct.toFixed(1)}%`,
    ...rescueLines(spec.baselineArm, canary),
    ...surchargeLines(spec.baselineArm, surcharge),
    '',
    ...migrationVerdict(guide),
    pc.dim(
      "This verdict is the guide's: a success rate of 99% so far. The evidence that decides is in `bellwether rollout status`.",
    ),
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

function rescueLines(baselineArm: string, { turns, rescuedTurns, rescueNanoUsd }: ArmTotals): readonly string[] {
  if (rescuedTurns === 0 && rescueNanoUsd === 0) return [];
  return [
    `Rescued: ${baselineArm} answered ${formatCount(rescuedTurns)} of the canary's ${formatCount(turns)} turns, for ${formatUsd(rescueNanoUsd)}`,
  ];
}

function surchargeLines(arm: string, { nanoUsd, ofNanoUsd, unpricedTargets }: Surcharge): readonly string[] {
  const unpriced = `The surcharge of ${unpricedTargets.join(', ')} is not known: there is no such target in the configuration.`;
  return [
    `CJK surcharge of ${arm}: ${formatUsd(nanoUsd)} of ${formatUsd(ofNanoUsd)}`,
    ...(unpricedTargets.length === 0 ? [] : [pc.yellow(unpriced)]),
  ];
}
