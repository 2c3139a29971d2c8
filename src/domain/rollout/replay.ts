import type {
  AnyEvidence,
  RolloutAction,
  RolloutDecision,
  RolloutEntry,
  RolloutPhase,
  RolloutSpec,
  RolloutState,
} from '../../contract/rollout';
import type { Problem } from '../../contract/problem';
import type { UserEvidence } from '../../contract/user-evidence';
import { advanceRollout } from './advance-rollout';

/** What a decision does. */
interface Verdict {
  readonly action: RolloutAction;
  readonly phase: RolloutPhase;
  readonly step: number;
  readonly percent: number;
  readonly bake: number;
}

export interface ReplayedDecision {
  readonly sequence: number;
  readonly atMs: number;
  readonly command: string | null;
  readonly recorded: Verdict & { readonly reason: string };
  readonly replayed: Verdict & { readonly reason: string };
  readonly agrees: boolean;
  /** After the first divergence the evidence is that of another split than the replayed one. */
  readonly counterfactual: boolean;
}

export interface Replay {
  readonly decisions: readonly ReplayedDecision[];
  /** The first decision that comes out differently; null if all come out the same. */
  readonly firstDivergence: ReplayedDecision | null;
}

/**
 * Decides a recorded rollout again under another spec, from the evidence and the commands of its audit rows. Up to the first
 * divergence that is what would have happened; after it, what the recorded evidence would have led to.
 * @param entries all rows of one rollout, oldest first
 */
export function replayRollout(entries: readonly RolloutEntry[], spec: RolloutSpec): Replay {
  let state: RolloutState | null = null;
  let recordedBefore: RolloutState | null = null;
  let firstDivergence: ReplayedDecision | null = null;
  const decisions = entries.map((entry): ReplayedDecision => {
    const { decision: recorded, ...occasion } = entry;
    const evidence = state && recordedBefore && evidenceFor(spec, state, entry, recordedBefore);
    const replayed = advanceRollout(spec, state, { ...occasion, evidence });
    state = replayed.next;
    recordedBefore = recorded.next;
    const told: ReplayedDecision = {
      sequence: recorded.next.sequence,
      atMs: entry.atMs,
      command: entry.command?.name ?? null,
      recorded: { ...verdictOf(recorded), reason: recorded.reason },
      replayed: { ...verdictOf(replayed), reason: replayed.reason },
      agrees: isSame(verdictOf(recorded), verdictOf(replayed)),
      counterfactual: firstDivergence !== null,
    };
    if (!told.agrees) firstDivergence ??= told;
    return told;
  });
  return { decisions, firstDivergence };
}

/** What the recorded evidence cannot say anything about; null if nothing. */
export function replayProblem(recorded: RolloutSpec, spec: RolloutSpec): Problem | null {
  for (const arm of ['baselineArm', 'canaryArm'] as const) {
    if (spec[arm] !== recorded[arm]) return cannotReplay([arm], recorded[arm]);
  }
  for (const gate of ['maxRequestsPerUser', 'userWindowMs', 'longestCallMs'] as const) {
    if (spec.gates[gate] !== recorded.gates[gate]) return cannotReplay(['gates', gate], recorded.gates[gate]);
  }
  const isLatencyCounted = recorded.rule === 2 && recorded.gates.maxLatencyPercent !== null;
  if (isLatencyCounted || spec.gates.maxLatencyPercent === null) return null;
  if (spec.gates.maxLatencyPercent === recorded.gates.maxLatencyPercent) return null;
  return cannotReplay(['gates', 'maxLatencyPercent'], recorded.gates.maxLatencyPercent);
}

function cannotReplay(path: Problem['path'], recorded: string | number | null = null): Problem {
  const message = `must stay as recorded (${recorded ?? 'not set'}): the evidence was collected with it`;
  return { path, code: 'contradiction', message };
}

/** The recorded evidence as the replayed rollout sees it: of its own bake, but of the split under which it was collected. */
function evidenceFor(
  spec: RolloutSpec,
  { bake, percent }: RolloutState,
  { evidence, spec: recorded }: RolloutEntry,
  recordedBefore: RolloutState,
): AnyEvidence | null {
  // Evidence of an earlier bake stays that.
  if (evidence === null || evidence.bake !== recordedBefore.bake) return evidence;
  if ('rule' in evidence) {
    return { ...withLatencyLimit(evidence, recorded, spec), bake, percent: recordedBefore.percent };
  }
  if (percent === recordedBefore.percent) return { ...evidence, bake };
  // Rule 1 compares the number of users with its own split, and nothing else with them.
  const share = Math.round((evidence.baseline.users + evidence.canary.users) * (percent / 100));
  const rest = evidence.baseline.users + evidence.canary.users - share;
  const { baseline, canary } = evidence;
  return { ...evidence, bake, baseline: { ...baseline, users: rest }, canary: { ...canary, users: share } };
}

/** Calls are recorded by latency, so that those beyond another limit can be counted. */
function withLatencyLimit(evidence: UserEvidence, recorded: RolloutSpec, spec: RolloutSpec): UserEvidence {
  const percent = spec.gates.maxLatencyPercent;
  if (percent === null || percent === recorded.gates.maxLatencyPercent) return evidence;
  const { canary, limits } = evidence;
  const above = (counts: UserEvidence['canary']['latencies'], limitMs: number | null): number =>
    counts.reduce(
      (users, [ms, count]) => (limitMs !== null && ms > (limitMs * percent) / 100 ? users + count : users),
      0,
    );
  const slowUsers = above(canary.latencies, limits.callMs);
  const slowToSpeakUsers = above(canary.firstTokens, limits.firstTokenMs);
  return { ...evidence, canary: { ...canary, slowUsers, slowToSpeakUsers } };
}

function verdictOf({ action, next: { phase, step, percent, bake } }: RolloutDecision): Verdict {
  return { action, phase, step, percent, bake };
}

function isSame(recorded: Verdict, replayed: Verdict): boolean {
  return (Object.keys(recorded) as (keyof Verdict)[]).every((key) => recorded[key] === replayed[key]);
}
