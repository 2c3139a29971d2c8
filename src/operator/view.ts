import { TemporalUnreachableError } from '../client/errors';
import type { RolloutClient } from '../client/rollout-client';
import type { RolloutWorkflow } from '../client/rollout-workflow';
import type {
  AnyEvidence,
  RolloutDecision,
  RolloutEntry,
  RolloutPhase,
  RolloutSpec,
  RolloutState,
  TrafficSplit,
} from '../contract/rollout';
import type { ObservedTraffic, Rollouts } from '../contract/rollout-ledger';
import { advanceRollout } from '../domain/rollout/advance-rollout';
import { nextAnalysisAtMs } from '../domain/rollout/clock';
import { userEvidenceRequestOf } from '../domain/rollout/state-by-users';

/** The state of a rollout's workflow; `unreachable` if Temporal does not answer. */
export type Liveness = RolloutWorkflow['status'] | 'unreachable';

/** What Temporal says about a rollout's workflow. */
export type ObservedWorkflow = Pick<RolloutWorkflow, 'recordingFailure'> & { readonly status: Liveness };

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
  /** Of this bake: read now, or under rule 2 as of the last analysis; null if the rollout has ended. */
  readonly evidence: AnyEvidence | null;
  /** What an analysis would decide now; null if the rollout has ended. */
  readonly outlook: RolloutDecision | null;
  readonly workflow: Liveness;
  /** Why the workflow cannot record its latest decision; null if it can, or Temporal does not answer. */
  readonly recordingFailure: RolloutWorkflow['recordingFailure'];
  /** When the next analysis is due, counted from the latest decision; null if the rollout has ended. */
  readonly analysisDueAtMs: number | null;
}

/** For those who read only the ledger. */
export const withoutTemporal: ObservedWorkflow = { status: 'unreachable', recordingFailure: null };

/**
 * @param client null when Temporal does not answer
 * @param withinMs default: the client's own limit
 */
export async function observeWorkflow(
  client: RolloutClient | null,
  rollout: string,
  withinMs?: number,
): Promise<ObservedWorkflow> {
  if (client === null) return withoutTemporal;
  return client.workflow(rollout, withinMs).catch((error: unknown) => {
    if (error instanceof TemporalUnreachableError) return withoutTemporal;
    throw error;
  });
}

/** Everything but what Temporal says of the workflow comes from the ledger, with the time of its clock. */
export async function readView(
  rollouts: Rollouts,
  { spec, state, last }: Pick<RolloutView, 'spec' | 'state'> & { readonly last: Pick<RolloutEntry, 'atMs'> },
  { status, recordingFailure }: ObservedWorkflow,
): Promise<RolloutView> {
  // After a rollback the workflow shows as failed in Temporal, so that it does not look like a success. It did its work.
  const workflow = status === 'failed' && state.endedAtMs !== null ? 'completed' : status;
  const atMs = await rollouts.nowMs();
  const trafficSinceMs = Math.max(atMs - trafficWindowMs, state.endedAtMs ?? state.bakeStartedAtMs);
  const [split, traffic] = await Promise.all([rollouts.split(), rollouts.traffic(trafficSinceMs)]);
  const isUnderWay = phaseShown({ spec, state, split }) !== takenOver && state.endedAtMs === null;
  const evidence = isUnderWay ? await readEvidence(rollouts, spec, state, atMs) : null;
  const outlook = evidence === null ? null : advanceRollout(spec, state, { atMs, evidence, command: null });
  const analysisDueAtMs = isUnderWay ? nextAnalysisAtMs(spec, state, last.atMs) : null;
  return {
    atMs,
    spec,
    state,
    split,
    traffic,
    trafficSinceMs,
    evidence,
    outlook,
    workflow,
    recordingFailure,
    analysisDueAtMs,
  };
}

function readEvidence(rollouts: Rollouts, spec: RolloutSpec, state: RolloutState, atMs: number): Promise<AnyEvidence> {
  // Counting the users is the analysis's work; a view changes nothing.
  if (spec.rule === 2) return rollouts.countedUserEvidence(userEvidenceRequestOf(spec, state));
  const { name: rollout, baselineArm, canaryArm, gates } = spec;
  const { maxRequestsPerUser, maxLatencyPercent } = gates;
  const { bake } = state;
  return rollouts.evidence({ rollout, bake, baselineArm, canaryArm, maxRequestsPerUser, maxLatencyPercent, atMs });
}

/** Shown instead of the phase of a rollout that had not ended when another one took its traffic. */
export const takenOver = 'TakenOver';

/** The phase as operators see it. */
export function phaseShown({
  spec,
  state,
  split,
}: Pick<RolloutView, 'spec' | 'state' | 'split'>): RolloutPhase | typeof takenOver {
  const isElsewhere = split !== null && split.rollout !== spec.name;
  return isElsewhere && state.endedAtMs === null ? takenOver : state.phase;
}

/** Share of the recent turns that the canary arm got; null without turns. */
export function actualShare({ spec, traffic }: Pick<RolloutView, 'spec' | 'traffic'>): number | null {
  const turnsOf = (arm: string): number => traffic.find((row) => row.arm === arm)?.turns ?? 0;
  const turns = traffic.reduce((sum, row) => sum + row.turns, 0);
  return turns === 0 ? null : turnsOf(spec.canaryArm) / turns;
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
