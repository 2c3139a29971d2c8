import type { Evidence, RolloutSpec, RolloutState } from '../contract/rollout';
import { isReached, measure, type TestValue } from '../domain/rollout/evidence';
import { findingsOf, oneKeyFinding } from '../domain/rollout/findings';
import { toUsd } from '../domain/turn/prices';
import type { TrailEntry } from './trail';
import { isoTime } from './view';

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
  /** The entry whose evidence is shown: the last one that saw any; null when none has. */
  readonly seen: TrailEntry | null;
  readonly measures: readonly Measured[];
  readonly findings: readonly string[];
  /** What the last analysis found missing for the next step, if that still applies. */
  readonly missing: readonly string[];
}

/** Explains the last decision of a trail. */
export function explain(trail: readonly TrailEntry[]): Explanation {
  const entry = trail.at(-1);
  if (entry === undefined) throw new Error('A rollout has at least one entry.');
  const seen = trail.findLast(({ evidence, before }) => evidence !== null && before !== null) ?? null;
  const missing = missingNow(trail, entry.decision.next);
  if (!seen?.evidence || seen.before === null) return { entry, seen: null, measures: [], findings: [], missing };
  const { blind, breach, worse, alarms } = findingsOf(seen.spec, seen.before, seen.evidence, seen.atMs);
  const oneKey = oneKeyFinding(seen.spec, seen.evidence);
  const findings = [blind, breach, worse, ...alarms, oneKey].filter((finding) => finding !== null);
  return { entry, seen, measures: measuresOf(seen.spec, seen.before, seen.evidence), findings, missing };
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
export function explanationAsJson({ entry, seen, measures, findings, missing }: Explanation): object {
  return {
    rollout: entry.spec.name,
    sequence: entry.row.sequence,
    at: isoTime(entry.row.atMs),
    actor: entry.row.actor,
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
