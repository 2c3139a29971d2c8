import pc from 'picocolors';
import { formatDuration } from '../../domain/rollout/clock';
import { percentOf } from '../../domain/rollout/findings';
import type { SimulationSummary } from '../../operator/simulation';
import { formatCount } from '../../terminal/format';
import { renderTable } from '../../terminal/output';
import type { SimulateFlags } from './simulate';

export interface SimulatedCase extends SimulationSummary {
  readonly successRate: number;
}

const right = (title: string) => ({ title, align: 'right' }) as const;

export function simulationAsText(flags: SimulateFlags, cases: readonly SimulatedCase[]): readonly string[] {
  const { plan, interval, usersPerHour, users, baselineSuccessRate } = flags;
  const columns = ['True rate', 'E in time', 'Promoted', 'Rolled back', 'Held', 'Late', 'Ever advanced'].map(right);
  const rows = cases.map((row) => [
    percentOf(row.successRate),
    percentOf(row.evidenceInTime),
    percentOf(row.promoted),
    percentOf(row.rolledBack),
    percentOf(row.held),
    percentOf(row.late),
    percentOf(row.everAdvanced),
    durationOf(row.promotedAfterMedianMs),
    durationOf(row.promotedAfterP95Ms),
  ]);
  const traffic = `${formatCount(usersPerHour)} users an hour${users === undefined ? '' : ` of ${formatCount(users)}`}`;
  return [
    pc.bold(
      `Plan ${plan}, an analysis every ${formatDuration(interval)}, ${traffic}, baseline at ${percentOf(baselineSuccessRate)}`,
    ),
    renderTable([...columns, right('100% after, median'), right('95%')], rows),
    'E in time: early enough for the plan to end in time. Held: it no longer advances by itself; an operator decides. Late: still running when the time of the plan was over.',
    ...alarmLines(cases),
  ];
}

function durationOf(ms: number | null): string {
  return ms === null ? '' : formatDuration(ms);
}

/** What spoke against the canary, whether or not the rollout was already held for something else. */
function alarmLines(cases: readonly SimulatedCase[]): readonly string[] {
  const rows = cases.flatMap(({ successRate, alarms }) =>
    alarms.map(({ measure, share, canaryUsersMedian, afterMedianMs }) => [
      percentOf(successRate),
      measure,
      percentOf(share),
      formatCount(canaryUsersMedian),
      formatDuration(afterMedianMs),
    ]),
  );
  if (rows.length === 0) return ['No measure spoke against the canary in any run.'];
  const columns = [
    { title: 'True rate', align: 'right' },
    { title: 'Reached' },
    { title: 'Runs', align: 'right' },
    { title: 'Canary users of the bake, median', align: 'right' },
    { title: 'After, median', align: 'right' },
  ] as const;
  return ['', pc.bold('What spoke against the canary'), renderTable(columns, rows)];
}

export function simulationAsJson(flags: SimulateFlags, cases: readonly SimulatedCase[]): object {
  return {
    plan: flags.plan,
    interval_ms: flags.interval,
    users_per_hour: flags.usersPerHour,
    users: flags.users ?? null,
    requests_per_user: flags.requestsPerUser.map(({ value, share }) => ({ requests: value, share })),
    always_fail: flags.alwaysFail,
    often_fail: flags.oftenFail,
    traffic_swing: flags.trafficSwing,
    failure_drift: flags.failureDrift,
    incidents: flags.incident.map(({ fromMs, toMs, failing }) => ({ from_ms: fromMs, to_ms: toMs, failing })),
    languages: flags.language,
    declared_languages: flags.declared,
    flags: flags.flag.map(({ baseline, canary }) => ({
      flag: baseline.flag,
      language: baseline.language ?? null,
      baseline: baseline.share,
      canary: canary.share,
    })),
    declined: flags.declined,
    complaints: flags.complaints,
    latency: flags.latency,
    cost: flags.cost,
    cost_spread: flags.costSpread,
    baseline_success_rate: flags.baselineSuccessRate,
    seed: flags.seed,
    cases: cases.map((row) => ({
      success_rate: row.successRate,
      runs: row.runs,
      evidence: row.evidence,
      evidence_in_time: row.evidenceInTime,
      promoted: row.promoted,
      rolled_back: row.rolledBack,
      held: row.held,
      late: row.late,
      ever_advanced: row.everAdvanced,
      promoted_after_median_ms: row.promotedAfterMedianMs,
      promoted_after_p95_ms: row.promotedAfterP95Ms,
      reached: row.alarms.map(({ measure, share, canaryUsersMedian, afterMedianMs }) => ({
        measure,
        share,
        canary_users_median: canaryUsersMedian,
        after_median_ms: afterMedianMs,
      })),
    })),
  };
}
