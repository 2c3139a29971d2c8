import type { Evidence, RolloutDecision, RolloutSpec, RolloutState, TrafficSplit } from '../../contract/rollout';
import { advanceRollout } from '../../domain/rollout/advance-rollout';
import type { ObservedTraffic, Rollouts } from '../../ledger/rollouts';
import type { Liveness } from './liveness';
import type { KnownRollout } from './rollout-ledger';

/** Long enough for a share to mean something, short enough to be now. */
const trafficWindowMs = 5 * 60 * 1000;

/** What is true of a rollout now, whatever its own record says. */
export interface RolloutView {
  readonly atMs: number;
  readonly spec: RolloutSpec;
  readonly state: RolloutState;
  /** The row that routes turns; another rollout's when that has begun since. */
  readonly split: TrafficSplit | null;
  /** Turns of the last minutes, though not from before this split, by arm. */
  readonly traffic: readonly ObservedTraffic[];
  readonly trafficSinceMs: number;
  /** Of this bake, read now; null when the rollout has ended. */
  readonly evidence: Evidence | null;
  /** What an analysis now would come to; null when the rollout has ended. */
  readonly outlook: RolloutDecision | null;
  readonly workflow: Liveness;
}

/** Everything but the workflow's liveness comes from the ledger. */
export async function readView(
  rollouts: Rollouts,
  { spec, state }: KnownRollout,
  workflow: Liveness,
  atMs: number,
): Promise<RolloutView> {
  const trafficSinceMs = Math.max(atMs - trafficWindowMs, state.endedAtMs ?? state.bakeStartedAtMs);
  const [split, traffic, evidence] = await Promise.all([
    rollouts.split(),
    rollouts.traffic(trafficSinceMs),
    state.endedAtMs === null ? readEvidence(rollouts, spec, state, atMs) : null,
  ]);
  const outlook = evidence === null ? null : advanceRollout(spec, state, { atMs, evidence, command: null });
  return { atMs, spec, state, split, traffic, trafficSinceMs, evidence, outlook, workflow };
}

function readEvidence(rollouts: Rollouts, spec: RolloutSpec, state: RolloutState, atMs: number): Promise<Evidence> {
  const { name: rollout, baselineArm, canaryArm, gates } = spec;
  const { maxRequestsPerUser, maxLatencyPercent } = gates;
  const { bake } = state;
  return rollouts.evidence({ rollout, bake, baselineArm, canaryArm, maxRequestsPerUser, maxLatencyPercent, atMs });
}

/** Whether turns are routed as this rollout says; a sentence when they are not. */
export function routingProblem({ spec, state, split }: Pick<RolloutView, 'spec' | 'state' | 'split'>): string | null {
  if (split === null) return 'No split is set: turns go to the default arm.';
  if (split.rollout !== spec.name) {
    return `Rollout ${split.rollout} has taken over since: it routes turns now, with ${split.percent}% on ${split.canaryArm}.`;
  }
  if (split.percent === state.percent) return null;
  return `The split that routes turns says ${split.percent}%, the audit trail ${state.percent}%: somebody has changed it by hand.`;
}

/** Share of the recent turns that the canary arm got; null without turns. */
export function actualShare({ spec, traffic }: Pick<RolloutView, 'spec' | 'traffic'>): number | null {
  const turnsOf = (arm: string): number => traffic.find((row) => row.arm === arm)?.turns ?? 0;
  const turns = traffic.reduce((sum, row) => sum + row.turns, 0);
  return turns === 0 ? null : turnsOf(spec.canaryArm) / turns;
}
