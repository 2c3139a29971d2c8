import { availableParallelism } from 'node:os';
import { Command, Option } from 'commander';

import { percentOf } from '../../domain/rollout/findings';
import { defaultRolloutPlan, rolloutPlans, type RolloutPlanName } from '../../domain/rollout/plans';
import {
  type Incident,
  type SimulatedArm,
  type SimulatedFlag,
  type SimulatedTraffic,
  simulatedTrafficProblem,
} from '../../domain/rollout/simulate-traffic';
import { rolloutSpecProblem } from '../../domain/rollout/validate';
import { simulatedSpec, simulateRuns } from '../../operator/simulation';
import { formatCount } from '../../terminal/format';
import { writeJson, writeLines } from '../../terminal/output';
import { createReporter } from '../../terminal/reporter';
import { exitStatusHelp, UsageError } from '../exit-status';
import { inOptions, optionOfField, parseDuration } from '../options';
import {
  allLanguages,
  type OnBothArms,
  parseCount,
  parseFactor,
  parseFlag,
  parseIncident,
  parseLanguage,
  parseRequestsPerUser,
  parseShare,
  parseShares,
  parseSpread,
} from './simulate-options';
import { type SimulatedCase, simulationAsJson, simulationAsText } from './simulate-output';

export interface SimulateFlags {
  readonly successRate: readonly number[];
  readonly baselineSuccessRate: number;
  readonly usersPerHour: number;
  readonly users?: number;
  readonly requestsPerUser: SimulatedTraffic['requestsPerUser'];
  readonly alwaysFail: number;
  readonly oftenFail: number;
  readonly trafficSwing: number;
  readonly failureDrift: number;
  readonly incident: readonly Incident[];
  readonly language: SimulatedTraffic['languages'];
  readonly declared: readonly string[];
  readonly flag: readonly OnBothArms<SimulatedFlag>[];
  readonly declined: OnBothArms<number>;
  readonly complaints: OnBothArms<number>;
  readonly latency: number;
  readonly cost: number;
  readonly costSpread: SimulatedTraffic['costSpread'];
  readonly runs: number;
  readonly plan: RolloutPlanName;
  readonly interval: number;
  readonly seed: string;
  readonly json?: boolean;
}

const maxRuns = 100_000;
const maxUsers = 10_000_000;
const maxUsersPerHour = 1_000_000;

/** Collects an option that may be given several times. */
const each =
  <Value>(parse: (text: string) => Value) =>
  (text: string, before: readonly Value[] = []): readonly Value[] => [...before, parse(text)];
const option = <Value>(flags: string, about: string, parse: (text: string, before: Value) => Value): Option =>
  new Option(flags, about).argParser(parse as (text: string, before: unknown) => unknown);
const count = (maximum: number) => (text: string) => parseCount(text, maximum);

/** `bellwether rollout simulate`: what the rules would do in many runs, before anyone relies on them. */
export function simulateCommand(): Command {
  return new Command('simulate')
    .description('run the rules of a rollout many times against simulated users')
    .addOption(
      option('--success-rate <rates>', "the canary's true success rates, separated by commas", (text) =>
        text.split(',').map(parseShare),
      ).default([0.997, 0.99, 0.98], '99.7%,99%,98%'),
    )
    .addOption(
      option('--baseline-success-rate <rate>', "the baseline's true success rate", parseShare).default(0.85, '85%'),
    )
    .addOption(
      option('--users-per-hour <number>', 'users of both arms who come in an hour', count(maxUsersPerHour)).default(
        2000,
      ),
    )
    .addOption(option('--users <number>', 'different users there are (default: whoever comes is new)', count(maxUsers)))
    .addOption(
      option('--requests-per-user <requests>', 'in their first hour: 8, or 1:60%,20:40%', parseRequestsPerUser).default(
        parseRequestsPerUser('8'),
        '8',
      ),
    )
    .addOption(
      option('--always-fail <share>', 'users whose every request fails, on either arm', parseShare).default(0, '0%'),
    )
    .addOption(
      option('--often-fail <share>', 'users whose every other request fails, on either arm', parseShare).default(
        0,
        '0%',
      ),
    )
    .addOption(
      option(
        '--incident <begin:length:share>',
        'a time in which so many requests fail on both arms, like 30h:1h:50%; repeatable',
        each(parseIncident),
      ).default([], 'none'),
    )
    .addOption(
      option('--traffic-swing <share>', 'how far traffic rises and falls over the day', parseShare).default(0, '0%'),
    )
    .addOption(
      option(
        '--failure-drift <factor>',
        'how many times as often requests fail at the worst hour of the day as at the best',
        parseFactor,
      ).default(1),
    )
    .addOption(
      option(
        '--language <language=share>',
        'a language of users, like zh=30%; repeatable',
        each(parseLanguage),
      ).default([], 'one'),
    )
    .addOption(
      option('--declared <languages>', 'languages that count by themselves, separated by commas', (text) =>
        text.split(','),
      ).default([], 'none'),
    )
    .addOption(
      option(
        '--flag <flag=baseline:canary>',
        'answers with a flag, like empty=1%:2% or wrong-language/zh=1%:50%; repeatable',
        each(parseFlag),
      ).default([], 'none'),
    )
    .addOption(
      option(
        '--declined <baseline:canary>',
        "users with a request that is declined as the caller's mistake",
        parseShares,
      ).default(parseShares('1%'), '1%'),
    )
    .addOption(
      option('--complaints <baseline:canary>', 'users who complain or are handed to a person', parseShares).default(
        parseShares('2%'),
        '2%',
      ),
    )
    .addOption(
      option('--latency <factor>', "the canary's latency, as a multiple of the baseline's", parseFactor).default(1),
    )
    .addOption(option('--cost <factor>', "the canary's cost, as a multiple of the baseline's", parseFactor).default(1))
    .addOption(
      option(
        '--cost-spread <users:requests>',
        'standard deviations of the logarithm of costs, between users and between their requests',
        parseSpread,
      ).default({ users: 1, requests: 0.7 }, '1:0.7'),
    )
    .addOption(option('--runs <number>', 'runs for each rate', count(maxRuns)).default(1000))
    .addOption(
      new Option('--plan <name>', 'steps and bakes').choices(Object.keys(rolloutPlans)).default(defaultRolloutPlan),
    )
    .addOption(
      option(
        '--interval <duration>',
        "time between two analyses; a real rollout's is 5m, which takes longer to simulate",
        parseDuration,
      ).default(20 * 60_000, '20m'),
    )
    .option('--seed <text>', 'the same seed gives the same runs', '1')
    .option('--json', 'print JSON')
    .addHelpText('after', `\nShares are numbers from 0 to 1 or percentages. No operator intervenes. ${exitStatusHelp}`)
    .action(async (flags: SimulateFlags) => {
      const cases = await simulateCases(flags);
      if (flags.json) writeJson(simulationAsJson(flags, cases));
      else writeLines(simulationAsText(flags, cases));
    });
}

/** The options for the fields of the traffic. */
const optionOfTraffic: ReadonlyMap<unknown, string> = new Map([
  ...optionOfField,
  ['alwaysFail', '--always-fail, --often-fail'],
  ['requestsPerUser', '--requests-per-user'],
  ['languages', '--language'],
  ['flags', '--flag'],
]);

async function simulateCases(flags: SimulateFlags): Promise<readonly SimulatedCase[]> {
  const { runs, seed, declared } = flags;
  const spec = { ...simulatedSpec(flags.plan, flags.interval), ...(declared.length > 0 && { languages: declared }) };
  const traffics = flags.successRate.map((successRate) => ({ successRate, traffic: trafficOf(flags, successRate) }));
  const problems = [rolloutSpecProblem(spec), ...traffics.map(({ traffic }) => simulatedTrafficProblem(traffic))];
  const problem = problems.find((found) => found !== null);
  if (problem) throw new UsageError(inOptions(problem, optionOfTraffic));

  const reporter = createReporter(process.stderr);
  const cases: SimulatedCase[] = [];
  for (const { successRate, traffic } of traffics) {
    const title = `${formatCount(runs)} runs at a success rate of ${percentOf(successRate)}`;
    const task = reporter.begin(`Simulating ${title}`);
    const threads = Math.min(availableParallelism(), runs);
    const summary = await simulateRuns({ spec, traffic, seed, runs }, threads, (share) =>
      task.progress(progressBar(share)),
    );
    task.succeed(`Simulated ${title}`);
    cases.push({ successRate, ...summary });
  }
  return cases;
}

function trafficOf(flags: SimulateFlags, successRate: number): SimulatedTraffic {
  const armOf = (
    arm: keyof OnBothArms<unknown>,
    own: Pick<SimulatedArm, 'successRate' | 'latency' | 'cost'>,
  ): SimulatedArm => ({
    ...own,
    declined: flags.declined[arm],
    unhappy: flags.complaints[arm],
    flags: flags.flag.map((flag) => flag[arm]),
  });
  return {
    usersPerHour: flags.usersPerHour,
    users: flags.users ?? null,
    requestsPerUser: flags.requestsPerUser,
    alwaysFail: flags.alwaysFail,
    oftenFail: flags.oftenFail,
    trafficSwing: flags.trafficSwing,
    failureDrift: flags.failureDrift,
    incidents: flags.incident,
    languages: allLanguages(flags.language),
    costSpread: flags.costSpread,
    baseline: armOf('baseline', { successRate: flags.baselineSuccessRate, latency: 1, cost: 1 }),
    canary: armOf('canary', { successRate, latency: flags.latency, cost: flags.cost }),
  };
}

/** `━━━━━━━───────────── 35%`. */
function progressBar(share: number): string {
  const width = 20;
  const done = Math.floor(share * width);
  return `${'━'.repeat(done)}${'─'.repeat(width - done)} ${Math.floor(share * 100)}%`;
}
