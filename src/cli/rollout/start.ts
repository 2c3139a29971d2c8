import { Command, InvalidArgumentError, Option } from 'commander';
import pc from 'picocolors';
import { RolloutRefusedError } from '../../client/errors';
import type { RolloutSpec } from '../../contract/rollout';
import { rolloutPlans } from '../../domain/rollout/plans';
import type { Rollouts } from '../../ledger/rollouts';
import { writeJson, writeLines } from '../output';
import { parseDuration } from '../duration';
import { buildSpec, inWordsOf, type SpecInput } from './build-spec';
import { withOperator } from './liveness';
import { defaultActor } from './operate';
import { useLedger } from './rollout-ledger';
import { readSpecFile } from './spec-file';
import { isoTime } from './status-json';
import { statusLine } from './status-lines';
import { forecastLines, forecastTraffic, readTrafficRate, type TrafficForecast } from './traffic-forecast';

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
    const spec = await buildSpec(input, (base) => unusedName(rollouts, base));
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
  if (!(error instanceof RolloutRefusedError)) return error;
  const message = inWordsOf(input, error.message).replaceAll('set --take-over', 'use --take-over');
  return new RolloutRefusedError(message, { cause: error });
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
async function unusedName(rollouts: Rollouts, arms: string): Promise<string> {
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
