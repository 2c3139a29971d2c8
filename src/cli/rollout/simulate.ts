import { Command, InvalidArgumentError, Option } from 'commander';
import pc from 'picocolors';
import type { RolloutSpec } from '../../contract/rollout';
import { formatDuration } from '../../domain/rollout/clock';
import { percentOf } from '../../domain/rollout/findings';
import { defaultRolloutPlan, rolloutPlans, type RolloutPlanName } from '../../domain/rollout/plans';
import { rolloutSpecProblem } from '../../domain/rollout/validate';
import { createReporter } from '../../terminal/reporter';
import { exitStatusHelp, UsageError } from '../exit-status';
import { inOptions, optionOfField, parseDuration } from '../options';
import { renderTable, writeJson, writeLines } from '../../terminal/output';
import { simulatedSpec, simulateRuns, type SimulationSummary } from '../../operator/simulation';

interface SimulateFlags {
  readonly successRate: readonly number[];
  readonly baselineSuccessRate: number;
  readonly requestsPerHour: number;
  readonly runs: number;
  readonly plan: RolloutPlanName;
  readonly interval: number;
  readonly seed: string;
  readonly json?: boolean;
}

interface SimulatedCase extends SimulationSummary {
  readonly successRate: number;
}

/** No figure needs more, and the sequence of random numbers is finite. */
const maxRuns = 100_000;
const maxRequestsPerHour = 1_000_000;

/** `bellwether rollout simulate`: what the rules would do in many runs, before anyone relies on them. */
export function simulateCommand(): Command {
  return new Command('simulate')
    .description('run the rules of a rollout many times against simulated traffic')
    .addOption(
      new Option('--success-rate <rates>', 'true success rates of the canary, 0 to 1, separated by commas')
        .argParser((text) => text.split(',').map(parseRate))
        .default([0.997, 0.99, 0.98], '0.997,0.99,0.98'),
    )
    .addOption(
      new Option('--baseline-success-rate <rate>', 'true success rate of the baseline')
        .argParser(parseRate)
        .default(0.85),
    )
    .addOption(
      new Option('--requests-per-hour <number>', 'requests per hour of both arms together')
        .argParser((text) => parseCount(text, maxRequestsPerHour))
        .default(2000),
    )
    .addOption(
      new Option('--runs <number>', 'runs for each rate')
        .argParser((text) => parseCount(text, maxRuns))
        .default(10_000),
    )
    .addOption(
      new Option('--plan <name>', 'steps and bakes').choices(Object.keys(rolloutPlans)).default(defaultRolloutPlan),
    )
    .addOption(
      new Option(
        '--interval <duration>',
        "time between two analyses; a real rollout's is 5m, which takes longer to simulate",
      )
        .argParser(parseDuration)
        .default(3_600_000, '1h'),
    )
    .option('--seed <text>', 'the same seed gives the same runs', '1')
    .option('--json', 'print JSON')
    .addHelpText('after', `\nNot simulated: latency, cost, users with many requests, operators. ${exitStatusHelp}`)
    .action(async (flags: SimulateFlags) => {
      const spec = simulatedSpec(flags.plan, flags.interval);
      const problem = rolloutSpecProblem(spec);
      if (problem !== null) throw new UsageError(inOptions(problem, optionOfField));
      const cases = await simulateCases(spec, flags);
      if (flags.json) writeJson(asJson(flags, cases));
      else writeLines(asText(flags, cases));
    });
}

async function simulateCases(spec: RolloutSpec, flags: SimulateFlags): Promise<readonly SimulatedCase[]> {
  const { runs, seed, baselineSuccessRate, requestsPerHour } = flags;
  const reporter = createReporter(process.stderr);
  const cases: SimulatedCase[] = [];
  for (const successRate of flags.successRate) {
    const title = `${runs.toLocaleString('en-US')} runs at a success rate of ${percentOf(successRate)}`;
    const task = reporter.begin(`Simulating ${title}`);
    const options = { spec, canarySuccessRate: successRate, baselineSuccessRate, requestsPerHour };
    const summary = await simulateRuns(options, runs, seed, (share) => task.progress(progressBar(share)));
    task.succeed(`Simulated ${title}`);
    cases.push({ successRate, ...summary });
  }
  return cases;
}

/** `━━━━━━━───────────── 35%`. */
function progressBar(share: number): string {
  const width = 20;
  const done = Math.floor(share * width);
  return `${'━'.repeat(done)}${'─'.repeat(width - done)} ${Math.floor(share * 100)}%`;
}

function asText(flags: SimulateFlags, cases: readonly SimulatedCase[]): readonly string[] {
  const { plan, interval, requestsPerHour, baselineSuccessRate } = flags;
  const columns = [
    { title: 'True rate', align: 'right' },
    { title: 'Promoted', align: 'right' },
    { title: 'Rolled back', align: 'right' },
    { title: 'Held', align: 'right' },
    { title: 'Late', align: 'right' },
    { title: 'Ever advanced', align: 'right' },
    { title: '100% after, median', align: 'right' },
    { title: '95%', align: 'right' },
  ] as const;
  const rows = cases.map((row) => [
    percentOf(row.successRate),
    percentOf(row.promoted),
    percentOf(row.rolledBack),
    percentOf(row.held),
    percentOf(row.late),
    percentOf(row.everAdvanced),
    row.promotedAfterMedianMs === null ? '' : formatDuration(row.promotedAfterMedianMs),
    row.promotedAfterP95Ms === null ? '' : formatDuration(row.promotedAfterP95Ms),
  ]);
  const look = `an analysis every ${formatDuration(interval)}`;
  const traffic = `${requestsPerHour.toLocaleString('en-US')} requests an hour`;
  return [
    pc.bold(`Plan ${plan}, ${look}, ${traffic}, baseline at ${percentOf(baselineSuccessRate)}`),
    renderTable(columns, rows),
    'Held: it no longer advances by itself; an operator decides. Late: still running when the time of the plan was over.',
  ];
}

function asJson(flags: SimulateFlags, cases: readonly SimulatedCase[]): object {
  return {
    plan: flags.plan,
    interval_ms: flags.interval,
    requests_per_hour: flags.requestsPerHour,
    baseline_success_rate: flags.baselineSuccessRate,
    seed: flags.seed,
    cases: cases.map((row) => ({
      success_rate: row.successRate,
      runs: row.runs,
      promoted: row.promoted,
      rolled_back: row.rolledBack,
      held: row.held,
      late: row.late,
      ever_advanced: row.everAdvanced,
      promoted_after_median_ms: row.promotedAfterMedianMs,
      promoted_after_p95_ms: row.promotedAfterP95Ms,
    })),
  };
}

function parseRate(text: string): number {
  const rate = Number(text);
  if (text.trim() === '' || !(rate >= 0 && rate <= 1)) {
    throw new InvalidArgumentError(`'${text}' is not a success rate. Use a number from 0 to 1, such as 0.997.`);
  }
  return rate;
}

function parseCount(text: string, maximum: number): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > maximum) {
    throw new InvalidArgumentError(`'${text}' is not a whole number from 1 to ${maximum}.`);
  }
  return count;
}
