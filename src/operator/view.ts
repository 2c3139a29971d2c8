import { TemporalUnreachableError } from '../client/errors';
import type { RolloutClient } from '../client/rollout-client';
import type {
  ArmEvidence,
  Evidence,
  RolloutDecision,
  RolloutSpec,
  RolloutState,
  TrafficSplit,
} from '../contract/rollout';
import type { ObservedTraffic, Rollouts } from '../contract/rollout-ledger';
import { advanceRollout } from '../domain/rollout/advance-rollout';
import { evidenceDueAtMs, nextAnalysisAtMs, stepDueAtMs } from '../domain/rollout/clock';
import { cleanRequestsToGo, measure, requestsOf } from '../domain/rollout/evidence';
import { oneKeyFinding } from '../domain/rollout/findings';
import { successInterval } from '../domain/rollout/migration-report';
import { toUsd } from '../domain/turn/prices';

/** The state of a rollout's workflow; `unreachable` if Temporal does not answer. */
export type Liveness = Awaited<ReturnType<RolloutClient['execution']>> | 'unreachable';

/** Long enough for a meaningful share, short enough to be current. */
const trafficWindowMs = 5 * 60 * 1000;

/** The current state of a rollout, as observed and not only as recorded. */
export interface RolloutView {
  readonly atMs: number;
  readonly spec: RolloutSpec;
  readonly state: RolloutState;
  /** The split that routes turns; another rollout's if that has started since. */
  readonly split: TrafficSplit | null;
  /** Turns of the last few minutes by arm, but none from before this split. */
  readonly traffic: readonly ObservedTraffic[];
  readonly trafficSinceMs: number;
  /** Of this bake, read now; null if the rollout has ended. */
  readonly evidence: Evidence | null;
  /** What an analysis would decide now; null if the rollout has ended. */
  readonly outlook: RolloutDecision | null;
  readonly workflow: Liveness;
}

/** `client` is null when Temporal does not answer. */
export async function livenessOf(client: RolloutClient | null, rollout: string): Promise<Liveness> {
  if (client === null) return 'unreachable';
  return client.execution(rollout).catch((error: unknown) => {
    if (error instanceof TemporalUnreachableError) return 'unreachable';
    throw error;
  });
}

/** Everything but the workflow's liveness comes from the ledger. */
export async function readView(
  rollouts: Rollouts,
  { spec, state }: Pick<RolloutView, 'spec' | 'state'>,
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

/** A sentence if turns are not routed as this rollout says; null if they are. */
export function routingProblem({ spec, state, split }: Pick<RolloutView, 'spec' | 'state' | 'split'>): string | null {
  if (split === null) return 'No split is set: turns go to the default arm.';
  if (split.rollout !== spec.name) {
    return `Rollout ${split.rollout} has taken over and now routes turns, with ${split.percent}% on ${split.canaryArm}.`;
  }
  if (split.percent === state.percent) return null;
  return `The split that routes turns says ${split.percent}%, the audit trail ${state.percent}%: it was changed by hand.`;
}

/** Share of the recent turns that the canary arm got; null without turns. */
export function actualShare({ spec, traffic }: Pick<RolloutView, 'spec' | 'traffic'>): number | null {
  const turnsOf = (arm: string): number => traffic.find((row) => row.arm === arm)?.turns ?? 0;
  const turns = traffic.reduce((sum, row) => sum + row.turns, 0);
  return turns === 0 ? null : turnsOf(spec.canaryArm) / turns;
}

/** A status for scripts: times as ISO texts, latencies in milliseconds, money in US dollars, shares from 0 to 1. */
export function statusAsJson(view: RolloutView): object {
  const { spec, state, split, evidence, outlook, workflow, atMs } = view;
  const isRunning = state.endedAtMs === null;
  return {
    rollout: spec.name,
    from: spec.baselineArm,
    to: spec.canaryArm,
    phase: state.phase,
    message: state.message,
    workflow,
    step: Math.min(state.step + 1, spec.steps.length),
    steps: spec.steps.length,
    percent: state.percent,
    routing: split === null ? null : { rollout: split.rollout, percent: split.percent, active: split.active },
    routing_problem: routingProblem(view),
    actual_share: actualShare(view),
    evidence: evidence === null ? null : evidenceAsJson(view),
    missing: outlook?.missing ?? [],
    outlook: outlook === null ? null : { action: outlook.action, reason: outlook.reason },
    started_at: isoTime(state.startedAtMs),
    ended_at: state.endedAtMs === null ? null : isoTime(state.endedAtMs),
    next_analysis_at: isRunning ? isoTime(nextAnalysisAtMs(spec, state, atMs)) : null,
    step_due_at: isRunning ? isoTime(stepDueAtMs(spec, state)) : null,
    evidence_due_at: isRunning && state.phase !== 'Promoting' ? isoTime(evidenceDueAtMs(spec, state)) : null,
    reached: state.reached.map(({ percent, startedAtMs, because }) => ({
      percent,
      at: isoTime(startedAtMs),
      because,
    })),
  };
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

function evidenceAsJson({ spec, state, evidence }: RolloutView): object | null {
  if (evidence === null) return null;
  const { advance } = measure(evidence, spec.gates, state.percent);
  return {
    e: advance.value,
    e_needed: advance.needed,
    clean_requests_to_go: cleanRequestsToGo(advance, spec.gates),
    largest_key: evidence.canaryLargestKey
      ? { id: evidence.canaryLargestKey.keyId, requests: evidence.canaryLargestKey.requests }
      : null,
    one_key: oneKeyFinding(spec, evidence),
    [spec.baselineArm]: armAsJson(evidence.baseline),
    [spec.canaryArm]: armAsJson(evidence.canary),
  };
}

function armAsJson(arm: ArmEvidence): object {
  const requests = requestsOf(arm);
  return {
    turns: arm.turns,
    users: arm.users,
    requests,
    success_rate: requests === 0 ? null : arm.successes / requests,
    success_rate_interval: successInterval(arm.successes, requests),
    latency_mean_ms: arm.latencyMeanMs,
    latency_p95_ms: arm.latencyP95Ms,
    cost_per_success: arm.successfulTurns === 0 ? null : toUsd(Math.round(arm.costNanoUsd / arm.successfulTurns)),
  };
}
