import type { RolloutSpec } from '../../contract/rollout';
import {
  defaultRolloutGates,
  defaultRolloutPlan,
  rolloutPlans,
  type RolloutPlanName,
} from '../../domain/rollout/plans';
import { rolloutSpecProblem } from '../../domain/rollout/validate';
import { UsageError } from '../exit-status';
import { inOptions } from '../in-options';
import { optionOfField } from './option-of-field';
import { inWordsOfFile, type SpecFile } from './spec-file';

/** What a person gave on the command line. */
export interface SpecInput {
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
  if (problem) throw new UsageError(inWordsOf(input, problem));
  return compressed;
}

/** A problem of the spec in the words of who wrote it: fields that the file has set by their names, others as options. */
export function inWordsOf({ file, from, to, ...options }: SpecInput, problem: string): string {
  const byOption: Readonly<Record<string, unknown>> = { ...options, baselineArm: from, canaryArm: to };
  const byFile: Readonly<Record<string, unknown>> = { ...file, interval: file?.intervalMs };
  const isOption = (field: string): boolean => byOption[field] !== undefined || byFile[field] === undefined;
  return inOptions(inWordsOfFile(problem), new Map([...optionOfField].filter(([field]) => isOption(field))));
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
