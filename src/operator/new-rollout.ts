import { InvalidInputError } from '../client/errors';
import type { RolloutGates, RolloutSpec } from '../contract/rollout';
import type { Rollouts } from '../contract/rollout-ledger';
import { formatDuration } from '../domain/rollout/clock';
import { exposureOf } from '../domain/rollout/exposure';
import { defaultRolloutGates, defaultRolloutPlan, type RolloutPlanName, rolloutPlans } from '../domain/rollout/plans';
import { rolloutSpecProblem } from '../domain/rollout/validate';
import { isoTime } from './view';

/** The given parts of a new rollout; the rest comes from the plan or the defaults. */
export interface RolloutDraft extends Partial<Omit<RolloutSpec, 'gates'>> {
  readonly plan?: RolloutPlanName | undefined;
  readonly gates?: Partial<RolloutGates>;
}

export const defaultArms = { baselineArm: 'legacy', canaryArm: 'holysheep' };

export interface SpecOptions {
  /** Divides all times of the plan, to try it out. Default 1. */
  readonly compression?: number | undefined;
  /** Makes a name from `legacy-to-holysheep` if the draft has none. */
  readonly unusedName: (arms: string) => Promise<string>;
}

/** @throws {InvalidInputError} names the field and the limit */
export async function buildSpec(
  draft: RolloutDraft & Pick<RolloutSpec, 'actor'>,
  { compression = 1, unusedName }: SpecOptions,
): Promise<RolloutSpec> {
  const plan = rolloutPlans[draft.plan ?? defaultRolloutPlan];
  const { baselineArm = defaultArms.baselineArm, canaryArm = defaultArms.canaryArm } = draft;
  const { steps = plan.steps, intervalMs = plan.intervalMs, warmMs = plan.warmMs } = draft;
  const whole: RolloutSpec = {
    freezeWindows: draft.freezeWindows ?? [],
    steps,
    intervalMs,
    warmMs,
    name: draft.name ?? (await unusedName(`${baselineArm}-to-${canaryArm}`)),
    baselineArm,
    canaryArm,
    gates: { ...defaultRolloutGates, freshnessMs: freshnessFor(intervalMs), ...draft.gates },
    takeOver: draft.takeOver ?? false,
    actor: draft.actor,
    rule: 2,
    ...fieldsOfRule2(draft),
  };
  const spec = compress(whole, compression);
  const problem = rolloutSpecProblem(spec);
  if (problem) throw new InvalidInputError([problem]);
  return spec;
}

/** Users would be closed while a turn of theirs may still run, so that how it ends would not count; null if that cannot be. */
export function shortLongestCall({ gates }: RolloutSpec, turnDeadlineMs: number): string | null {
  const { longestCallMs } = exposureOf(gates);
  if (longestCallMs >= turnDeadlineMs) return null;
  return (
    `gates.longestCall is ${formatDuration(longestCallMs)}, but a turn may take ${formatDuration(turnDeadlineMs)} (retry.turnDeadlineMs): ` +
    'how the slowest turns end would not count. Set it to at least that.'
  );
}

/** `legacy-to-holysheep-2026-11-24`, with -2, -3 appended if the name is taken. */
export async function findUnusedName(rollouts: Rollouts, arms: string): Promise<string> {
  const base = `${arms}-${isoTime(Date.now()).slice(0, 10)}`;
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? base : `${base}-${number}`;
    if ((await rollouts.lastAuditRow(name)) === null) return name;
  }
}

/** A field that was left out stays out of the spec, and so out of its rows. */
function fieldsOfRule2(draft: RolloutDraft): Partial<RolloutSpec> {
  const { languages, holdbackPercent, rescue, salt } = draft;
  const given = Object.entries({ languages, holdbackPercent, rescue, salt }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given);
}

/** Data must not become too old between two analyses: three intervals, if that is longer than the default. */
function freshnessFor(intervalMs: number): number {
  return Math.max(defaultRolloutGates.freshnessMs, 3 * intervalMs);
}

/** The shortest interval that a rollout may have. */
const shortestIntervalMs = 100;
/** A shorter plan does not make requests arrive faster, nor calls end sooner. */
const shortestFreshnessMs = 5_000;
const shortestUserWindowMs = 1_000;
const shortestLongestCallMs = 5_000;

function compress(spec: RolloutSpec, factor: number): RolloutSpec {
  if (factor === 1) return spec;
  const shortened = (ms: number, minimumMs = 1): number => Math.max(minimumMs, Math.round(ms / factor));
  const { userWindowMs, longestCallMs } = exposureOf(spec.gates);
  const endsMs = spec.steps.map(({ nominalEndMs }) => shortened(nominalEndMs));
  return {
    ...spec,
    steps: spec.steps.map(({ minimumBakeMs, ...step }, index) => {
      const nominalEndMs = endsMs[index] ?? 0;
      const lengthMs = nominalEndMs - (endsMs[index - 1] ?? 0);
      return { ...step, nominalEndMs, minimumBakeMs: Math.min(lengthMs, Math.floor(minimumBakeMs / factor)) };
    }),
    intervalMs: shortened(spec.intervalMs, Math.min(spec.intervalMs, shortestIntervalMs)),
    warmMs: shortened(spec.warmMs, 0),
    gates: {
      ...spec.gates,
      freshnessMs: shortened(spec.gates.freshnessMs, Math.min(spec.gates.freshnessMs, shortestFreshnessMs)),
      userWindowMs: shortened(userWindowMs, Math.min(userWindowMs, shortestUserWindowMs)),
      longestCallMs: shortened(longestCallMs, Math.min(longestCallMs, shortestLongestCallMs)),
    },
  };
}
