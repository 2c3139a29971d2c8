import type { RolloutSpec } from '../../contract/rollout';
import {
  defaultRolloutGates,
  defaultRolloutPlan,
  rolloutPlans,
  type RolloutPlanName,
} from '../../domain/rollout/plans';
import { rolloutSpecProblem } from '../../domain/rollout/validate';
import { UsageError } from './exit-status';

/** What a person gave on the command line. */
export interface SpecInput {
  readonly name?: string;
  readonly from?: string;
  readonly to?: string;
  readonly plan?: RolloutPlanName;
  /** Divides all times of the plan. */
  readonly compress?: number;
  readonly takeOver?: boolean;
  readonly actor?: string;
  readonly defaultActor: string;
}

/**
 * Options win over the defaults.
 * @param unusedName makes a name of `legacy-to-holysheep` when none is given
 * @throws {UsageError} names the field and the limit
 */
export async function buildSpec(input: SpecInput, unusedName: (base: string) => Promise<string>): Promise<RolloutSpec> {
  const baselineArm = input.from ?? 'legacy';
  const canaryArm = input.to ?? 'holysheep';
  const spec: RolloutSpec = {
    name: input.name ?? (await unusedName(`${baselineArm}-to-${canaryArm}`)),
    baselineArm,
    canaryArm,
    ...rolloutPlans[input.plan ?? defaultRolloutPlan],
    gates: defaultRolloutGates,
    freezeWindows: [],
    takeOver: input.takeOver ?? false,
    actor: input.actor ?? input.defaultActor,
  };
  const compressed = compress(spec, input.compress ?? 1);
  const problem = rolloutSpecProblem(compressed);
  if (problem) throw new UsageError(problem);
  return compressed;
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
