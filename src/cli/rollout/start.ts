import { Command, InvalidArgumentError, Option } from 'commander';
import pc from 'picocolors';
import { RolloutRefusedError } from '../../client/errors';
import { describeProblem, type Problem, type ProblemPath } from '../../contract/problem';
import type { RolloutSpec } from '../../contract/rollout';
import type { Rollouts } from '../../contract/rollout-ledger';
import {
  defaultRolloutGates,
  defaultRolloutPlan,
  type RolloutPlanName,
  rolloutPlans,
} from '../../domain/rollout/plans';
import { describeRefusal } from '../../domain/rollout/begin-rollout';
import { rolloutSpecProblem } from '../../domain/rollout/validate';
import { forecastLines, forecastTraffic, readTrafficRate, type TrafficForecast } from '../../operator/forecast';
import { withOperator } from '../../operator/liveness';
import { useLedger } from '../../operator/rollout-ledger';
import { isoTime } from '../../operator/rollout-view';
import { writeJson, writeLines } from '../../terminal/output';
import { UsageError } from '../exit-status';
import { optionOfField, parseDuration } from '../options';
import { defaultActor } from './operate';
import { nameInFile, readSpecFile, type SpecFile } from './spec-file';
import { statusLine } from './status';

interface StartFlags extends Omit<SpecInput, 'file' | 'defaultActor'> {
  /** YAML or JSON; see `spec-file.ts`. */
  readonly spec?: string;
  readonly json?: boolean;
}

/** `bellwether rollout start`: begins a rollout and returns once its first split is set. */
export function startCommand(): Command {
  return new Command('start')
    .description('begin a rollout')
    .option('--name <name>', 'unique for all time (default: <from>-to-<to>-<date>)')
    .option('--from <arm>', 'where traffic is (default: legacy)')
    .option('--to <arm>', 'where it is to go (default: holysheep)')
    .addOption(
      new Option('--plan <plan>', '72h: from 10% to 100% in 72 hours; guide: 10% for 72 hours, then gradually').choices(
        Object.keys(rolloutPlans),
      ),
    )
    .addOption(new Option('--compress <factor>', 'divide all times of the plan, to try it out').argParser(parseFactor))
    .addOption(
      new Option('--interval <duration>', 'from one analysis to the next (default: 5m)').argParser(parseDuration),
    )
    .option('--spec <file>', 'YAML or JSON with any field of the rollout: see docs/rollout.md')
    .option('--take-over', 'begin although traffic is elsewhere or another rollout was left unfinished')
    .option('--actor <name>', `who you are; kept in the audit trail (default: ${defaultActor()})`)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExit status: 0 started, 1 refused or failed, 2 wrong usage or configuration. One that is refused leaves no trace.',
    )
    .action(start);
}

async function start({ json, spec: specFile, ...flags }: StartFlags): Promise<void> {
  await useLedger(async ({ rollouts }) => {
    const file = specFile === undefined ? undefined : readSpecFile(specFile);
    const input: SpecInput = { ...flags, file, defaultActor: defaultActor() };
    const spec = await buildSpec(input, (base) => findUnusedName(rollouts, base));
    const forecast = forecastTraffic(spec, await readTrafficRate(rollouts, Date.now()));
    if (!json) writeLines(shownForecast(spec, forecast));
    const { state } = await withOperator((client) => client.start(spec)).catch((error: unknown) => {
      throw withOptions(error, input);
    });
    if (json)
      writeJson({ rollout: spec.name, phase: state.phase, percent: state.percent, spec, forecast: asJson(forecast) });
    else
      writeLines([
        statusLine({ spec, state }),
        pc.dim(`Watch it: bellwether rollout watch ${spec.name}   Roll back: bellwether rollout rollback ${spec.name}`),
      ]);
  });
}

/** A refusal ends with what to do: an option is used, a field is set. */
function withOptions(error: unknown, input: SpecInput): unknown {
  if (!(error instanceof RolloutRefusedError) || error.problem === null) return error;
  return new RolloutRefusedError(refusalInWordsOf(input, error.problem), { cause: error, problem: error.problem });
}

export function refusalInWordsOf(input: SpecInput, refusal: Problem): string {
  const nameOf = namesOf(input);
  const takeOver = nameOf(['takeOver']);
  return describeRefusal(refusal, nameOf, takeOver === '--take-over' ? `use ${takeOver}` : `set ${takeOver}`);
}

function shownForecast(spec: RolloutSpec, forecast: TrafficForecast): readonly string[] {
  const lines = forecastLines(spec, forecast);
  const paint = forecast.isEnough ? pc.green : pc.yellow;
  return lines.map((line, index) => (index === lines.length - 1 ? paint(line) : line));
}

function asJson({ rate, needed, ...forecast }: TrafficForecast): object {
  return {
    turns_last_24_hours: rate.turnsLastDay,
    turns_last_hour: rate.turnsLastHour,
    turns_per_hour: rate.turnsPerHour,
    turns_per_hour_from: rate.basis,
    canary_requests_needed_mean: Math.round(needed.mean),
    canary_requests_needed_99_percent: Math.round(needed.ninetyNinePercent),
    method: needed.method,
    canary_requests_by_first_step_end: Math.round(forecast.byFirstStepEnd),
    canary_requests_by_latest_advance: Math.round(forecast.byLatestAdvance),
    latest_advance_ms: forecast.latestAdvanceMs,
    canary_requests_by_plan_end: Math.round(forecast.byPlanEnd),
    decides_in_time: needed.sufficient === null ? null : needed.sufficient(forecast.byLatestAdvance),
    turns_per_hour_needed: forecast.turnsPerHourNeeded,
    enough: forecast.isEnough,
  };
}

/** `legacy-to-holysheep-2026-11-24`, with -2, -3 when there was one. */
async function findUnusedName(rollouts: Rollouts, arms: string): Promise<string> {
  const base = `${arms}-${isoTime(Date.now()).slice(0, 10)}`;
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? base : `${base}-${number}`;
    if ((await rollouts.lastAuditRow(name)) === null) return name;
  }
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
  readonly file?: SpecFile | undefined;
  /** Milliseconds. */
  readonly interval?: number;
  /** Divides all times of the plan. */
  readonly compress?: number;
  readonly takeOver?: boolean;
  readonly actor?: string;
  readonly defaultActor: string;
}

/**
 * Options win over the file, the file over the plan.
 * @param unusedName makes a name of `legacy-to-holysheep` when none is given
 * @throws {UsageError} names the option or the field of the file, and the limit
 */
export async function buildSpec(input: SpecInput, unusedName: (base: string) => Promise<string>): Promise<RolloutSpec> {
  const { plan: planOfFile, gates, ...file }: SpecFile = input.file ?? { gates: {} };
  const baselineArm = input.from ?? file.baselineArm ?? 'legacy';
  const canaryArm = input.to ?? file.canaryArm ?? 'holysheep';
  const plan = rolloutPlans[input.plan ?? planOfFile ?? defaultRolloutPlan];
  // Steps of the file give way to a plan that was asked for by name.
  const steps = input.plan === undefined ? (file.steps ?? plan.steps) : plan.steps;
  const intervalMs = input.interval ?? file.intervalMs ?? plan.intervalMs;
  const spec: RolloutSpec = {
    freezeWindows: [],
    ...plan,
    ...file,
    name: input.name ?? file.name ?? (await unusedName(`${baselineArm}-to-${canaryArm}`)),
    baselineArm,
    canaryArm,
    steps,
    intervalMs,
    gates: { ...defaultRolloutGates, freshnessMs: freshnessFor(intervalMs), ...gates },
    takeOver: input.takeOver ?? file.takeOver ?? false,
    actor: input.actor ?? file.actor ?? input.defaultActor,
  };
  const compressed = compress(spec, input.compress ?? 1);
  const problem = rolloutSpecProblem(compressed);
  if (problem !== null) throw new UsageError(problemInWordsOf(input, problem, compressed));
  return compressed;
}

function problemInWordsOf(input: SpecInput, problem: Problem, { baselineArm }: RolloutSpec): string {
  const nameOf = namesOf(input);
  const isSameArm = problem.code === 'contradiction' && problem.path[0] === 'canaryArm';
  const message = `must be another arm than ${nameOf(['baselineArm'])} (${baselineArm})`;
  return describeProblem(isSameArm ? { ...problem, message } : problem, nameOf);
}

/** Fields of the spec as whoever wrote it knows them: those that the file has set by their names there, others as options. */
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

/** Data must not be too old before the next look at it: three intervals, as by default, where they are longer. */
function freshnessFor(intervalMs: number): number {
  return Math.max(defaultRolloutGates.freshnessMs, 3 * intervalMs);
}

/** The shortest interval that a rollout may have. */
const shortestIntervalMs = 100;
/** Requests do not come faster for the plan being shorter. */
const shortestFreshnessMs = 5_000;

function compress(spec: RolloutSpec, factor: number): RolloutSpec {
  if (factor === 1) return spec;
  const shortened = (ms: number, minimumMs = 1): number => Math.max(minimumMs, Math.round(ms / factor));
  const endsMs = spec.steps.map(({ nominalEndMs }) => shortened(nominalEndMs));
  return {
    ...spec,
    steps: spec.steps.map(({ percent, minimumBakeMs }, index) => {
      const nominalEndMs = endsMs[index] ?? 0;
      const lengthMs = nominalEndMs - (endsMs[index - 1] ?? 0);
      return { percent, nominalEndMs, minimumBakeMs: Math.min(lengthMs, Math.floor(minimumBakeMs / factor)) };
    }),
    intervalMs: shortened(spec.intervalMs, Math.min(spec.intervalMs, shortestIntervalMs)),
    warmMs: shortened(spec.warmMs, 0),
    gates: {
      ...spec.gates,
      freshnessMs: shortened(spec.gates.freshnessMs, Math.min(spec.gates.freshnessMs, shortestFreshnessMs)),
    },
  };
}
