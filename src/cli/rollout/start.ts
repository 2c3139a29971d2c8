import { Command, InvalidArgumentError, Option } from 'commander';
import pc from 'picocolors';
import { InvalidInputError, RolloutRefusedError } from '../../client/errors';
import { describeProblem, type Problem, type ProblemPath } from '../../contract/problem';
import type { RolloutSpec } from '../../contract/rollout';
import { describeRefusal } from '../../domain/rollout/begin-rollout';
import { formatDuration } from '../../domain/rollout/clock';
import { percentOf } from '../../domain/rollout/findings';
import { type RolloutPlanName, rolloutPlans } from '../../domain/rollout/plans';
import { forecastAsJson, forecastTraffic, readTraffic, type TrafficForecast } from '../../operator/forecast';
import {
  buildSpec,
  defaultArms,
  findUnusedName,
  type RolloutDraft,
  shortLongestCall,
} from '../../operator/new-rollout';
import { withOperator } from '../../operator/rollout-operator';
import { formatCount } from '../../terminal/format';
import { writeJson, writeLines } from '../../terminal/output';
import { UsageError } from '../exit-status';
import { optionOfField, parseDuration } from '../options';
import { defaultActor } from './operate';
import { nameInFile, readSpecFile, withoutUndefined } from './spec-file';
import { statusLine } from './status';

interface StartFlags extends Omit<SpecInput, 'file' | 'defaultActor'> {
  /** YAML or JSON; see `spec-file.ts`. */
  readonly spec?: string;
  readonly json?: boolean;
}

/** `bellwether rollout start`: starts a rollout and returns once its first split is set. */
export function startCommand(): Command {
  return new Command('start')
    .description('start a rollout')
    .option('--name <name>', 'a name never used before (default: <from>-to-<to>-<date>)')
    .option('--from <arm>', 'arm that has the traffic now (default: legacy)')
    .option('--to <arm>', 'arm to move it to (default: holysheep)')
    .addOption(
      new Option('--plan <plan>', '72h: from 10% to 100% in 72 hours; guide: 10% for 72 hours, then gradually').choices(
        Object.keys(rolloutPlans),
      ),
    )
    .addOption(new Option('--compress <factor>', 'divide all times of the plan, to try it out').argParser(parseFactor))
    .addOption(new Option('--interval <duration>', 'time between two analyses (default: 5m)').argParser(parseDuration))
    .option('--spec <file>', 'YAML or JSON with any field of the rollout: see docs/rollout.md')
    .option('--take-over', 'start even if traffic is elsewhere or another rollout was left unfinished')
    .option('--actor <name>', `who you are; kept in the audit trail (default: ${defaultActor()})`)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExit status: 0 started, 1 refused or failed, 2 wrong usage or configuration. A refused rollout leaves no trace.',
    )
    .action(start);
}

async function start({ json, spec: specFile, ...flags }: StartFlags): Promise<void> {
  await withOperator(async (operator, { policy }) => {
    const file = specFile === undefined ? undefined : readSpecFile(specFile);
    const input: SpecInput = { ...flags, file, defaultActor: defaultActor() };
    const spec = await specOf(input, (arms) => findUnusedName(operator.rollouts, arms));
    const forecast = forecastTraffic(spec, await readTraffic(operator.rollouts, Date.now()));
    if (!json) writeLines(shownForecast(spec, forecast));
    // A compressed plan is a trial, and shortens this on purpose.
    const tooShort = flags.compress === undefined ? shortLongestCall(spec, policy.retry.turnDeadlineMs) : null;
    if (tooShort !== null) process.stderr.write(`${pc.yellow('Warning:')} ${tooShort}\n`);
    const { state } = await operator.start(spec, tellWaiting).catch((error: unknown) => {
      throw withOptions(error, input);
    });
    const { phase, percent } = state;
    if (json) writeJson({ rollout: spec.name, phase, percent, spec, forecast: forecastAsJson(forecast) });
    else
      writeLines([
        statusLine({ spec, state }),
        pc.dim(`Watch it: bellwether rollout watch ${spec.name}   Roll back: bellwether rollout rollback ${spec.name}`),
      ]);
  });
}

function tellWaiting(): void {
  process.stderr.write(
    'No worker has answered yet. Waiting a minute for one: start it with `bellwether worker`. Without one, the rollout will not start.\n',
  );
}

/** A refusal ends with what to do: use an option, or set a field. */
function withOptions(error: unknown, input: SpecInput): unknown {
  if (!(error instanceof RolloutRefusedError) || error.problem === null) return error;
  return new RolloutRefusedError(refusalInWordsOf(input, error.problem), { cause: error, problem: error.problem });
}

export function refusalInWordsOf(input: SpecInput, refusal: Problem): string {
  const nameOf = namesOf(input);
  const takeOver = nameOf(['takeOver']);
  return describeRefusal(refusal, nameOf, takeOver === '--take-over' ? `use ${takeOver}` : `set ${takeOver}`);
}

/** The forecast in words; the last line is the verdict. */
export function shownForecast(spec: RolloutSpec, forecast: TrafficForecast): readonly string[] {
  const lines = forecastLines(spec, forecast);
  const paint = forecast.verdict === 'enough' ? pc.green : pc.yellow;
  return lines.map((line, index) => (index === lines.length - 1 ? paint(line) : line));
}

function forecastLines(spec: RolloutSpec, forecast: TrafficForecast): readonly string[] {
  const { traffic, needed } = forecast;
  const { expectedSuccessRate, minimumSuccessRate } = spec.gates;
  const good = percentOf(expectedSuccessRate);
  const planEnd = formatDuration(spec.steps.at(-1)?.nominalEndMs ?? 0);
  const how = needed.method === 'exact' ? 'exact for these gates' : 'approximate for these gates';
  return [
    `Traffic: ${formatCount(traffic.usersLastDay)} users with ${formatCount(traffic.turnsLastDay)} turns in the last 24 hours, ${formatCount(traffic.usersLastHour)} with ${formatCount(traffic.turnsLastHour)} in the last hour. The forecast assumes ${formatCount(forecast.newUsersPerHour)} new users an hour (${traffic.basis}); a user counts once.`,
    `To show that it is above ${percentOf(minimumSuccessRate)}, a canary at ${good} needs ${formatCount(needed.median)} different users in half of all cases and up to ${formatCount(needed.ninetyNinePercent)} in 99 of 100 (${how}); ${formatCount(needed.fewest)} if nothing fails.`,
    `Expected: ${formatCount(forecast.byFirstStepEnd)} by the end of step 1; ${formatCount(forecast.byLatestAdvance)} by ${formatDuration(forecast.latestAdvanceMs)}, when step 1 must end to reach 100% at ${planEnd}.`,
    verdictLine(forecast),
  ];
}

function verdictLine({ verdict, traffic, ever, needed, usersPerHourNeeded, ...forecast }: TrafficForecast): string {
  if (verdict === 'enough') return `That is enough${chance(forecast)}.`;
  const held = 'A rollout without enough evidence is held, never promoted.';
  const needs = `the rollout needs about ${formatCount(usersPerHourNeeded)} new users an hour`;
  if (verdict === 'too-few') return `That is too few${chance(forecast)}; ${needs}. ${held}`;
  const one = traffic.users === 1 && traffic.turns > 1;
  const why = one
    ? `All ${formatCount(traffic.turns)} turns (${traffic.basis}) come under one user. Send each person's own id as "user", or a session for each conversation`
    : `Only ${formatCount(ever)} different users would ever reach the canary in step 1, and it needs at least ${formatCount(needed.fewest)}, however many requests they send`;
  return `This can never decide: ${why}; ${needs}. ${held}`;
}

function chance({ decidesInTime }: Pick<TrafficForecast, 'decidesInTime'>): string {
  return decidesInTime === null
    ? ''
    : `: it decides in time in ${percentOf(Math.floor(decidesInTime * 1000) / 1000)} of cases`;
}

function parseFactor(value: string): number {
  const factor = Number(value);
  if (!(factor >= 1 && factor <= 1_000_000)) throw new InvalidArgumentError('Must be a number from 1 to 1,000,000.');
  return factor;
}

/** What a person gave on the command line. */
interface SpecInput {
  readonly name?: string;
  readonly from?: string;
  readonly to?: string;
  readonly plan?: RolloutPlanName;
  readonly file?: RolloutDraft | undefined;
  /** Milliseconds. */
  readonly interval?: number;
  /** Divides all times of the plan. */
  readonly compress?: number;
  readonly takeOver?: boolean;
  readonly actor?: string;
  readonly defaultActor: string;
}

/**
 * Options override the file; the file overrides the plan.
 * @param unusedName makes a name of `legacy-to-holysheep` when none is given
 * @throws {UsageError} names the option or the field of the file, and the limit
 */
export async function specOf(input: SpecInput, unusedName: (arms: string) => Promise<string>): Promise<RolloutSpec> {
  const { file, compress: compression } = input;
  const options: RolloutDraft = withoutUndefined({
    name: input.name,
    baselineArm: input.from,
    canaryArm: input.to,
    plan: input.plan,
    // A plan that is chosen by name overrides the steps of the file.
    steps: input.plan && rolloutPlans[input.plan].steps,
    intervalMs: input.interval,
    takeOver: input.takeOver,
    actor: input.actor,
  });
  try {
    return await buildSpec({ actor: input.defaultActor, ...file, ...options }, { compression, unusedName });
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    const problems = error.problems.map((problem) => problemInWordsOf(input, problem));
    throw new UsageError(problems.join('; '), { cause: error });
  }
}

function problemInWordsOf(input: SpecInput, problem: Problem): string {
  const nameOf = namesOf(input);
  const isSameArm = problem.code === 'contradiction' && problem.path[0] === 'canaryArm';
  const baselineArm = input.from ?? input.file?.baselineArm ?? defaultArms.baselineArm;
  const message = `must be a different arm from ${nameOf(['baselineArm'])} (${baselineArm})`;
  return describeProblem(isSameArm ? { ...problem, message } : problem, nameOf);
}

/** Names a field as the user wrote it: by its name in the file if the file set it, otherwise by its option. */
function namesOf({ file, from, to, interval, ...options }: SpecInput): (path: ProblemPath) => string {
  const typed = new Map<unknown, unknown>(
    Object.entries({ ...options, baselineArm: from, canaryArm: to, intervalMs: interval }),
  );
  const written = new Map<unknown, unknown>(Object.entries(file ?? {}));
  return (path) => {
    const [field] = path;
    const isTyped = typed.get(field) !== undefined || written.get(field) === undefined;
    return (isTyped && optionOfField.get(field)) || nameInFile(path);
  };
}
