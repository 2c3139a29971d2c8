import pc from 'picocolors';
import type { ArmTotals } from '../../contract/rollout-ledger';
import type { OfArms, ReportedUsers, Share, UserReport } from '../../domain/rollout/user-report';
import { formatUsd } from '../../domain/turn/prices';
import type { RolloutReport, Saving, Surcharge } from '../../operator/migration-report';
import {
  formatCostPerSuccess,
  formatCount,
  formatLatency,
  formatShare,
  formatSuccessRate,
  oneLine,
} from '../../terminal/format';
import { renderTable } from '../../terminal/output';

/** The figures of both arms: by requests as the migration guide has them, and by users under rule 2. */
export function reportFigures(report: RolloutReport): readonly string[] {
  const { spec, baseline, canary, guide, surcharge, saving, byUsers } = report;
  return [
    armTable([baseline, canary], byUsers === null),
    `Latency reduction: ${guide.improvement.latency_reduction_pct.toFixed(1)}%`,
    ...[baseline, canary].flatMap((arm) => failureLines(arm, report)),
    ...rescueLines(spec.baselineArm, canary),
    ...surchargeLines(spec.baselineArm, surcharge),
    ...savingLines(saving),
    ...(byUsers === null ? satisfactionLines(report) : userLines(report, byUsers)),
  ];
}

/** Requests of one user resemble each other: their success rate is shown only where they are what decides. */
function armTable(arms: readonly ArmTotals[], decideByRequests: boolean): string {
  return renderTable(
    [
      { title: 'arm' },
      { title: 'requests', align: 'right' },
      ...(decideByRequests ? [{ title: 'success rate (95%)', align: 'right' } as const] : []),
      { title: 'latency mean', align: 'right' },
      { title: 'p95', align: 'right' },
      { title: 'cost', align: 'right' },
      { title: 'unconfirmed', align: 'right' },
      ...(decideByRequests ? [{ title: 'per success', align: 'right' } as const] : []),
    ],
    arms.map((arm) => [
      arm.arm,
      formatCount(arm.successes + arm.failures),
      ...(decideByRequests ? [formatSuccessRate(arm.successes, arm.successes + arm.failures)] : []),
      formatLatency(arm.latencyMeanMs),
      formatLatency(arm.latencyP95Ms),
      formatUsd(arm.costNanoUsd),
      formatUsd(arm.unconfirmedNanoUsd),
      ...(decideByRequests ? [formatCostPerSuccess(arm.costNanoUsd, arm.successfulTurns)] : []),
    ]),
  );
}

function failureLines({ arm }: ArmTotals, { failures }: RolloutReport): readonly string[] {
  const kinds = failures.filter((failure) => failure.arm === arm);
  if (kinds.length === 0) return [];
  return [
    `Failed requests of ${arm}: ${kinds.map(({ outcome, calls }) => `${formatCount(calls)} ${outcome}`).join(', ')}`,
  ];
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

function savingLines(saving: Saving | null): readonly string[] {
  if (saving === null || (saving.paidNanoUsd === 0 && saving.baselineNanoUsd === 0)) return [];
  const { paidNanoUsd, baselineNanoUsd, baselineTarget } = saving;
  const differenceNanoUsd = baselineNanoUsd - paidNanoUsd;
  const what = differenceNanoUsd < 0 ? 'Extra cost' : 'Saved';
  return [
    `${what}: ${formatUsd(Math.abs(differenceNanoUsd))}. The canary's confirmed calls cost ${formatUsd(paidNanoUsd)}; the same tokens would have cost ${formatUsd(baselineNanoUsd)} at the price of ${baselineTarget}`,
  ];
}

/** More would bury the ones that matter. */
const maxLanguages = 12;

type Rated = Pick<RolloutReport['satisfaction'], 'baseline' | 'canary'>;

function satisfactionLines({ spec, satisfaction }: RolloutReport): readonly string[] {
  const line = (place: string, { baseline, canary }: Rated): string =>
    `Satisfaction${place}: ${spec.baselineArm} ${ratingOf(baseline)}, ${spec.canaryArm} ${ratingOf(canary)} rated turns`;
  if (!isRated(satisfaction)) return [];
  const languages = satisfaction.languages.filter(isRated).slice(0, maxLanguages);
  return [line('', satisfaction), ...languages.map((one) => line(` in ${oneLine(one.language)}`, one))];
}

function ratingOf({ up, down }: Rated['canary']): string {
  return `${formatSuccessRate(up, up + down)} of ${formatCount(up + down)}`;
}

function isRated({ baseline, canary }: Rated): boolean {
  return baseline.rate !== null || canary.rate !== null;
}

function userLines({ spec }: RolloutReport, report: UserReport): readonly string[] {
  const { baselineArm, canaryArm } = spec;
  return [
    '',
    pc.bold('By users'),
    renderTable(
      [{ title: 'all bakes' }, { title: baselineArm, align: 'right' }, { title: canaryArm, align: 'right' }],
      measuresOf(report),
    ),
    pc.dim(
      `With 95% intervals. A user counts once per bake. Bakes are compared one by one, each with the weight of ${canaryArm}'s users in it.`,
    ),
    ...languageLines(report, spec),
  ];
}

type Row = readonly [measure: string, baseline: string, canary: string];

function measuresOf(report: ReportedUsers): readonly Row[] {
  const { users, costPerSuccessNanoUsd } = report;
  return [
    ['users', formatCount(users.baseline), formatCount(users.canary)],
    sharesRow('first request succeeds', report.success),
    sharesRow('any request fails', report.troubled),
    sharesRow('declined', report.declined),
    ...report.flags.map(({ flag, share }) => sharesRow(`flagged ${flag}`, share)),
    sharesRow('unhappy', report.unhappy),
    sharesRow('satisfaction', report.satisfaction),
    ['cost per success', formatCost(costPerSuccessNanoUsd.baseline), formatCost(costPerSuccessNanoUsd.canary)],
  ];
}

function sharesRow(measure: string, { baseline, canary }: OfArms<Share>): Row {
  return [measure, formatShare(baseline), formatShare(canary)];
}

function formatCost(nanoUsd: number | null): string {
  return nanoUsd === null ? '–' : formatUsd(nanoUsd);
}

function languageLines(
  { languages }: UserReport,
  { baselineArm, canaryArm }: RolloutReport['spec'],
): readonly string[] {
  if (languages.length === 0) return [];
  const others = languages.length - maxLanguages;
  const table = renderTable(
    [
      { title: 'language' },
      { title: 'arm' },
      { title: 'users', align: 'right' },
      { title: 'first request succeeds', align: 'right' },
      { title: 'satisfaction', align: 'right' },
      { title: 'flagged' },
    ],
    languages.slice(0, maxLanguages).flatMap((one) =>
      (['baseline', 'canary'] as const).map((arm) => [
        arm === 'baseline' ? one.language : '',
        arm === 'baseline' ? baselineArm : canaryArm,
        formatCount(one.users[arm]),
        formatShare(one.success[arm]),
        formatShare(one.satisfaction[arm]),
        one.flags
          .filter(({ share }) => (share[arm]?.rate ?? 0) > 0)
          .map(({ flag, share }) => `${flag} ${formatShare(share[arm])}`)
          .join(', '),
      ]),
    ),
  );
  return ['', pc.bold('By language'), table, ...(others > 0 ? [pc.dim(`And ${others} more languages.`)] : [])];
}
