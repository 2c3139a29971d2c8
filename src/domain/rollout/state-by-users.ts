import type {
  RolloutCommand,
  RolloutDecision,
  RolloutOccasion,
  RolloutSpec,
  RolloutState,
  StateByUsers,
} from '../../contract/rollout';
import type { FrozenLimits, UserEvidence, UserEvidenceRequest } from '../../contract/user-evidence';
import { formatDuration } from './clock';
import { ofUsers } from './evidence';

const atStart: StateByUsers = {
  rule: 2,
  limits: { callMs: null, firstTokenMs: null },
  excluded: [],
  stoppedMs: 0,
  stoppedAtMs: null,
  unreadAnalyses: 0,
};

/** A decision of rule 2, with what its state keeps in addition: it follows from the decision, whatever led to it. */
export function withStateByUsers(
  spec: RolloutSpec,
  state: RolloutState | null,
  { atMs, evidence, command, limits }: RolloutOccasion,
  decision: RolloutDecision,
): RolloutDecision {
  const { next } = decision;
  const before = state?.byUsers ?? { ...atStart, limits: limits ?? atStart.limits };
  const kept = next.byUsers ?? before;
  const byUsers: StateByUsers = {
    ...kept,
    limits: next.bake === state?.bake ? kept.limits : limitsAfter(ofUsers(evidence), kept.limits, spec),
    ...stoppedTime(kept, next, atMs),
    unreadAnalyses: command === null && state !== null ? unreadAfter(state, evidence) : before.unreadAnalyses,
  };
  return { ...decision, next: { ...next, byUsers } };
}

/** Which evidence the state's next decision needs. */
export function userEvidenceRequestOf(
  { name: rollout, baselineArm, canaryArm, gates: { maxLatencyPercent } }: RolloutSpec,
  { bake, byUsers = atStart }: RolloutState,
): UserEvidenceRequest {
  const { limits, excluded } = byUsers;
  return { rollout, bake, baselineArm, canaryArm, limits, maxLatencyPercent, excluded, withFaultiestKeys: true };
}

/** How many analyses in a row, with this one, had no evidence of their bake. */
export function unreadAfter({ bake, byUsers }: RolloutState, evidence: RolloutOccasion['evidence']): number {
  return ofUsers(evidence)?.bake === bake ? 0 : (byUsers?.unreadAnalyses ?? 0) + 1;
}

function stoppedTime(
  { stoppedMs, stoppedAtMs }: StateByUsers,
  { phase }: RolloutState,
  atMs: number,
): Pick<StateByUsers, 'stoppedMs' | 'stoppedAtMs'> {
  const isStopped = phase === 'Paused' || phase === 'Held';
  if (isStopped) return { stoppedMs, stoppedAtMs: stoppedAtMs ?? atMs };
  return { stoppedMs: stoppedMs + (stoppedAtMs === null ? 0 : atMs - stoppedAtMs), stoppedAtMs: null };
}

/** The limits of the next bake: the baseline's p95 in the one that ends, or the earlier limits if it had too few users. */
function limitsAfter(evidence: UserEvidence | null, before: FrozenLimits, { gates }: RolloutSpec): FrozenLimits {
  if (evidence === null) return before;
  const { latencies, firstTokens } = evidence.baseline;
  return {
    callMs: percentile95(latencies, gates.minimumStepRequests) ?? before.callMs,
    firstTokenMs: percentile95(firstTokens, gates.minimumStepRequests) ?? before.firstTokenMs,
  };
}

/** Null with fewer users than the minimum: the p95 of a few depends on a single one. */
function percentile95(counts: UserEvidence['baseline']['latencies'], minimumUsers: number): number | null {
  let users = 0;
  for (const [, count] of counts) users += count;
  if (users < minimumUsers) return null;
  let below = 0;
  for (const [ms, count] of counts) {
    below += count;
    if (below >= 0.95 * users) return ms;
  }
  return null;
}

/** More would be a way to choose the evidence. */
const maxExcludedWindows = 20;

/** The state in which a period is left out of the evidence, or what is wrong with that period. */
export function exclude(
  { intervalMs }: RolloutSpec,
  state: RolloutState,
  { fromMs, toMs }: RolloutCommand,
  atMs: number,
): string | { readonly fromMs: number; readonly toMs: number; readonly next: RolloutState } {
  const byUsers = state.byUsers ?? atStart;
  if (fromMs === undefined || toMs === undefined) return 'fromMs, toMs: both are needed to exclude a period.';
  if (toMs <= state.startedAtMs) {
    return `toMs: must be later than the start of the rollout, not ${formatDuration(state.startedAtMs - toMs)} before it.`;
  }
  if (toMs > atMs) return `toMs: must not be in the future; it is ${formatDuration(toMs - atMs)} from now.`;
  // A moment would choose single users.
  if (toMs - fromMs < intervalMs) {
    return `fromMs, toMs: must be at least ${formatDuration(intervalMs)} apart, the time between two analyses, not ${toMs - fromMs} ms.`;
  }
  if (byUsers.excluded.length >= maxExcludedWindows) {
    return `fromMs, toMs: ${maxExcludedWindows} periods are excluded already; no more can be added.`;
  }
  const excluded = [...byUsers.excluded, { fromMs, toMs }];
  return { fromMs, toMs, next: { ...state, byUsers: { ...byUsers, excluded }, sequence: state.sequence + 1 } };
}
