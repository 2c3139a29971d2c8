import type { AnyEvidence, RolloutSpec, RolloutState, TrafficSplit } from '../contract/rollout';
import { ofRequests, ofUsers } from '../domain/rollout/evidence';
import { figuresOf } from '../domain/rollout/figures';
import { findingsOf } from '../domain/rollout/findings';
import { userFindingsOf } from '../domain/rollout/user-findings';
import { toUsd } from '../domain/turn/prices';
import { type Measured, measuresOf } from './measures';
import type { TrailEntry } from './trail';
import { isoTime, phaseShown, takenOver } from './view';

export interface Explanation {
  readonly entry: TrailEntry;
  readonly phase: ReturnType<typeof phaseShown>;
  /** The rollout that took over before this one had ended. */
  readonly takenOverBy: string | null;
  /** The entry whose evidence is shown: the last one that saw any; null when none has. */
  readonly seen: TrailEntry | null;
  readonly measures: readonly Measured[];
  readonly findings: readonly string[];
  /** What the last analysis found missing for the next step, if that still applies. */
  readonly missing: readonly string[];
}

/**
 * Explains the last decision of a trail.
 * @param split what routes turns, if that is known
 */
export function explain(trail: readonly TrailEntry[], split: TrafficSplit | null = null): Explanation {
  const last = trail.at(-1);
  if (last === undefined) throw new Error('A rollout has at least one entry.');
  const phase = phaseShown({ spec: last.spec, state: last.decision.next, split });
  const takenOverBy = phase === takenOver ? (split?.rollout ?? null) : null;
  // A rollout that another one took over has no next step.
  const missing = takenOverBy === null ? missingNow(trail, last.decision.next) : [];
  return { ...explainEntry(trail, last), phase, takenOverBy, missing };
}

type Explained = Pick<Explanation, 'entry' | 'seen' | 'measures' | 'findings'>;

function explainEntry(trail: readonly TrailEntry[], entry: TrailEntry): Explained {
  const seen = trail.findLast(({ evidence, before }) => evidence !== null && before !== null) ?? null;
  if (!seen?.evidence || seen.before === null) return { entry, seen: null, measures: [], findings: [] };
  const { spec, before, evidence, atMs } = seen;
  const findings = findingsIn(spec, before, evidence, atMs);
  return { entry, seen, measures: measuresOf(spec, before.percent, evidence), findings };
}

/** What the evidence shows, and whom it is mostly about: a sentence each. */
export function findingsIn(
  spec: RolloutSpec,
  before: RolloutState,
  evidence: AnyEvidence,
  atMs: number,
): readonly string[] {
  return [...foundIn(spec, before, evidence, atMs), ...figuresOf(spec, evidence, before.percent).onesided];
}

function foundIn(spec: RolloutSpec, before: RolloutState, evidence: AnyEvidence, atMs: number): readonly string[] {
  const byUsers = ofUsers(evidence);
  if (byUsers !== null) {
    const { unread, stale, breach, worse, oneKey, alarms, reports } = userFindingsOf(spec, before, byUsers);
    const reported = reports.map((report) => `Only reported: ${report}`);
    return [unread, stale, breach, worse, oneKey, ...alarms, ...reported].filter((finding) => finding !== null);
  }
  const { blind, breach, worse, alarms } = findingsOf(spec, before, ofRequests(evidence), atMs);
  return [blind, breach, worse, ...alarms].filter((finding) => finding !== null);
}

/** Commands do not say what is missing; once one has changed the bake or phase, the earlier list no longer applies. */
function missingNow(trail: readonly TrailEntry[], { endedAtMs, bake, phase }: RolloutState): readonly string[] {
  const analysis = trail.findLast(({ command, before }) => command === null && before !== null)?.decision;
  const holds = endedAtMs === null && analysis?.next.bake === bake && analysis.next.phase === phase;
  return holds ? analysis.missing : [];
}

/** For scripts: amounts in US dollars. */
export function explanationAsJson({
  entry,
  phase,
  takenOverBy,
  seen,
  measures,
  findings,
  missing,
}: Explanation): object {
  return {
    rollout: entry.spec.name,
    sequence: entry.row.sequence,
    at: isoTime(entry.row.atMs),
    actor: entry.row.actor,
    phase,
    taken_over_by: takenOverBy,
    action: entry.decision.action,
    reason: entry.row.reason,
    missing,
    findings,
    evidence_sequence: seen?.row.sequence ?? null,
    measures: measures.map(({ measure: name, unit, value, needed, reached }) => {
      const told = (amount: number | null) => (amount === null || unit === 'evidence' ? amount : toUsd(amount));
      return { measure: name, value: told(value), needed: told(needed), reached };
    }),
    evidence: seen?.evidence ?? null,
  };
}
