import type { AnyEvidence, Evidence, RolloutSpec, RolloutState, TrafficSplit } from '../contract/rollout';
import { isReached, measure, ofRequests, ofUsers, type TestValue } from '../domain/rollout/evidence';
import { figuresOf } from '../domain/rollout/figures';
import { findingsOf } from '../domain/rollout/findings';
import { userFindingsOf } from '../domain/rollout/user-findings';
import { measureUsers } from '../domain/rollout/user-measures';
import type { UserEvidence } from '../contract/user-evidence';
import { toUsd } from '../domain/turn/prices';
import type { TrailEntry } from './trail';
import { isoTime, phaseShown, takenOver } from './view';

/** One measure that the rule uses. */
export interface Measured {
  readonly measure: string;
  /** What it means if it is reached. */
  readonly meaning: string;
  readonly unit: 'evidence' | 'nano-usd';
  /** Null without a guard, or with too little data. */
  readonly value: number | null;
  readonly needed: number | null;
  readonly reached: boolean;
}

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
  const findings = [...foundIn(spec, before, evidence, atMs), ...figuresOf(spec, evidence, before.percent).onesided];
  const byUsers = ofUsers(evidence);
  const byRequests = ofRequests(evidence);
  if (byUsers !== null) return { entry, seen, measures: userMeasuresOf(spec, before, byUsers), findings };
  const measures = byRequests === null ? [] : measuresOf(spec, before, byRequests);
  return { entry, seen, measures, findings };
}

function foundIn(spec: RolloutSpec, before: RolloutState, evidence: AnyEvidence, atMs: number): readonly string[] {
  const byUsers = ofUsers(evidence);
  if (byUsers !== null) {
    const { unread, stale, breach, worse, alarms, reports } = userFindingsOf(spec, before, byUsers);
    const reported = reports.map((report) => `Only reported: ${report}`);
    return [unread, stale, breach, worse, ...alarms, ...reported].filter((finding) => finding !== null);
  }
  const { blind, breach, worse, alarms } = findingsOf(spec, before, ofRequests(evidence), atMs);
  return [blind, breach, worse, ...alarms].filter((finding) => finding !== null);
}

function userMeasuresOf(spec: RolloutSpec, before: RolloutState, evidence: UserEvidence): readonly Measured[] {
  const { baselineArm, canaryArm, gates } = spec;
  const measures = measureUsers(evidence, spec, before.percent);
  const { advance, breach, worse, declined, slower, slowerToSpeak, feedback, wrongShare, cost } = measures;
  const compared = (
    { worse: faults, declined: declines, flags, feedback: unhappy }: (typeof measures.languages)[number],
    place = '',
  ) => [
    tested(`${place}worse`, `more users of ${canaryArm} hit failures than of ${baselineArm}`, faults),
    tested(`${place}declined`, `${canaryArm} declines requests from more users`, declines),
    ...Object.entries(flags).map(([flag, test]) =>
      tested(`${place}flag ${flag}`, `more first answers of ${canaryArm} are flagged ${flag}`, test),
    ),
    tested(`${place}feedback`, `more users of ${canaryArm} are unhappy`, unhappy),
  ];
  const latency = `${gates.maxLatencyPercent ?? '–'}% of ${baselineArm}`;
  return [
    tested('E, to advance', `${canaryArm} is better than the minimum`, advance),
    tested('D, breach', `${canaryArm} fails more often than allowed`, breach),
    ...compared({ language: '', worse, declined, flags: measures.flags, feedback }),
    tested('slower', `more first calls of ${canaryArm} are slow, from ${latency} on`, slower),
    tested('slower to speak', `more first answers of ${canaryArm} begin late, from ${latency} on`, slowerToSpeak),
    tested('cost', `a successful turn of ${canaryArm} costs more than allowed`, cost),
    tested('wrong share', 'users are not split as configured', wrongShare),
    ...measures.languages.flatMap((one) => compared(one, `${one.language}: `)),
  ];
}

/** Commands do not say what is missing; once one has changed the bake or phase, the earlier list no longer applies. */
function missingNow(trail: readonly TrailEntry[], { endedAtMs, bake, phase }: RolloutState): readonly string[] {
  const analysis = trail.findLast(({ command, before }) => command === null && before !== null)?.decision;
  const holds = endedAtMs === null && analysis?.next.bake === bake && analysis.next.phase === phase;
  return holds ? analysis.missing : [];
}

function measuresOf(spec: RolloutSpec, before: RolloutState, evidence: Evidence): readonly Measured[] {
  const { baselineArm, canaryArm, gates } = spec;
  const { advance, breach, worse, slower, wrongShare, cost } = measure(evidence, gates, before.percent);
  return [
    tested('E, to advance', `${canaryArm} is as good as expected`, advance),
    tested('D, breach', `${canaryArm} fails more often than allowed`, breach),
    tested('worse', `${canaryArm} fails more often than ${baselineArm}`, worse),
    tested('slower', `${canaryArm} is slower than ${gates.maxLatencyPercent ?? '–'}% of ${baselineArm}`, slower),
    tested('wrong share', 'users are not split as configured', wrongShare),
    {
      measure: 'cost',
      meaning: `a successful turn of ${canaryArm} costs more than allowed`,
      unit: 'nano-usd',
      value: cost === null ? null : Math.round(cost.perSuccess),
      needed: cost === null ? null : Math.round(cost.limit),
      reached: cost !== null && cost.perSuccess > cost.limit,
    },
  ];
}

function tested(name: string, meaning: string, test: TestValue | null): Measured {
  return {
    measure: name,
    meaning,
    unit: 'evidence',
    value: test?.value ?? null,
    needed: test?.needed ?? null,
    reached: test !== null && isReached(test),
  };
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
